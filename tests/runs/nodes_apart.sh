# Runs a command beside a Ray cluster whose nodes share neither network nor temporary files.
#
#     unshare --net --mount bash nodes_apart.sh NODES COMMAND…
#
# Each node has a network namespace of its own, connected to this one by a cable, and a /tmp of its
# own. Nothing here reaches another network. The head of the cluster is at 10.77.0.1 and has no CPU; the
# command runs beside it. A file NODE_TO_CUT_OFF cuts off the first node.
set -euo pipefail
nodes=$1
shift
work=$PWD
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(printf "%064d" 7)
started=()
end() {
    for process in "${started[@]}"; do
        kill -KILL -- "-$process" 2>/dev/null || true
    done
    wait
}
trap end EXIT
set -m  # every process in the background has a group of its own

ip link set lo up
ip link add bridge type bridge
ip address add 10.77.0.1/24 dev bridge
ip link set bridge up
ray start --head --block --port=6379 --num-cpus=0 --include-dashboard=false \
    --node-ip-address=10.77.0.1 >head.txt 2>&1 &
started+=($!)
for number in $(seq "$nodes"); do
    unshare --net --mount bash -c '
        echo $$ >"$1/node-$2.pid"
        mount -t tmpfs node /tmp
        until ip address show dev node >/dev/null 2>&1; do sleep 0.05; done
        ip link set lo up
        ip address add "10.77.0.$((10 + $2))/24" dev node
        ip link set node up
        cd /tmp
        exec ray start --block --address=10.77.0.1:6379 --num-cpus=1 \
            --node-ip-address="10.77.0.$((10 + $2))"
    ' node "$work" "$number" >"node-$number.txt" 2>&1 &
    started+=($!)
    until [ -s "node-$number.pid" ]; do sleep 0.05; done
    ip link add "cable-$number" master bridge type veth \
        peer name node netns "$(cat "node-$number.pid")"
    ip link set "cable-$number" up
done
(
    until [ -e NODE_TO_CUT_OFF ]; do sleep 0.05; done
    ip link set cable-1 down  # as when a machine is cut off
) &
started+=($!)
"$@"
