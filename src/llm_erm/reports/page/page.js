"use strict";
// Shows one view at a time, and the table of attempts. Text enters the page as text only.
(() => {
  const ROW = 34; // pixels, as in the style
  const SPARE = 8; // rows above and below those in view
  const COLUMNS = ["Job", "#", "Status", "Training", "Validation", "Tokens", "Seconds"];
  const [JOB, INDEX, STATUS, , , TOKENS, SECONDS, SELECTED] = [0, 1, 2, 3, 4, 5, 6, 7];
  const NUMERIC = (column) => column !== JOB && column !== STATUS;

  const byId = (id) => document.getElementById(id);

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children); // strings become text nodes
    return node;
  }

  async function unpacked(node) {
    const text = node.textContent;
    const bytes = Uint8Array.fromBase64
      ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  // Views.

  const sections = [...document.querySelectorAll("main > section")];

  function showView() {
    const asked = location.hash.slice(1);
    const shown = sections.find((section) => section.id === asked) ?? sections[0];
    for (const section of sections) section.classList.toggle("shown", section === shown);
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash === `#${shown.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    scrollTo(0, 0); // with the header, which a jump to the section would hide
    if (shown.id === "attempts") table?.draw();
  }

  // Theme.

  function addTheme() {
    const button = byId("theme");
    const root = document.documentElement;
    const dark = () =>
      root.dataset.theme
        ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
    const label = () => {
      button.textContent = dark() ? "Light" : "Dark";
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      label();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
    label();
  }

  // Attempts.

  class Table {
    constructor(data) {
      this.data = data;
      this.grid = byId("grid");
      this.rows = byId("rows");
      this.order = data.rows.map((_, place) => place);
      this.sort = { column: null, down: false };
      this.at = 0; // the chosen row, as a place in the order
      this.matching = null; // the attempts that hold the text of the filter; null for all
      this.search = 0; // the number of the latest search for a text
      this.block = { place: -1, value: null };
      this.several = new Set(data.jobs.map(([, run]) => run)).size > 1;
      this.addHead();
      this.listen();
      this.arrange();
    }

    addHead() {
      const head = make("div", { role: "row", class: "row", "aria-rowindex": 1 });
      COLUMNS.forEach((name, column) => {
        const button = make("button", { type: "button" }, name);
        button.addEventListener("click", () => this.sortBy(column));
        const about = { role: "columnheader" };
        if (NUMERIC(column)) about.class = "n";
        head.append(make("div", about, button));
      });
      byId("head").append(head);
    }

    listen() {
      let frame = 0;
      const redraw = () => {
        cancelAnimationFrame(frame);
        frame = requestAnimationFrame(() => this.draw());
      };
      this.grid.addEventListener("scroll", redraw, { passive: true });
      addEventListener("resize", redraw);
      this.grid.addEventListener("keydown", (event) => this.press(event));
      this.rows.addEventListener("click", (event) => {
        const row = event.target.closest("[data-place]");
        if (!row) return;
        this.choose(Number(row.dataset.place));
        this.open();
      });
      let wait = 0;
      byId("text").addEventListener("input", () => {
        clearTimeout(wait);
        wait = setTimeout(() => this.find(), 150);
      });
      byId("text").addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === "ArrowDown") {
          event.preventDefault();
          this.grid.focus();
        }
      });
      byId("filters").addEventListener("submit", (event) => event.preventDefault());
      for (const id of ["status", "job"]) {
        byId(id).addEventListener("change", () => this.arrange());
      }
    }

    // Sets which rows are shown, and in which order.
    arrange() {
      const { rows, jobs } = this.data;
      const status = byId("status").value;
      const job = byId("job").value;
      this.order = [];
      rows.forEach((row, place) => {
        if (job !== "" && row[JOB] !== Number(job)) return;
        if (status === "selected" ? !row[SELECTED] : status && row[STATUS] !== status) return;
        if (this.matching && !this.matching.has(place)) return;
        this.order.push(place);
      });
      const { column, down } = this.sort;
      if (column !== null) {
        const key = (place) =>
          column === JOB ? jobs[rows[place][JOB]].join(" ") : rows[place][column];
        const keys = new Map(this.order.map((place) => [place, key(place)]));
        this.order.sort((one, other) => {
          const [a, b] = [keys.get(one), keys.get(other)];
          if (a === b) return one - other;
          if (a === null || b === null) return a === null ? 1 : -1; // unknown ones last
          return (a < b ? -1 : 1) * (down ? -1 : 1);
        });
      }
      this.at = 0;
      this.grid.scrollTop = 0;
      const [shown, all] = [this.order.length, rows.length].map((n) => n.toLocaleString("en"));
      byId("count").textContent = shown === all ? `${all} attempts` : `${shown} of ${all} attempts`;
      this.grid.setAttribute("aria-rowcount", this.order.length + 1);
      this.draw();
    }

    sortBy(column) {
      const again = this.sort.column === column;
      this.sort = { column, down: again ? !this.sort.down : false };
      byId("head").querySelectorAll("[role=columnheader]").forEach((header, place) => {
        const { down } = this.sort;
        const mark = place === column ? (down ? " ▼" : " ▲") : "";
        header.firstChild.textContent = COLUMNS[place] + mark;
        if (mark) header.setAttribute("aria-sort", down ? "descending" : "ascending");
        else header.removeAttribute("aria-sort");
      });
      this.arrange();
    }

    // Finds the attempts that hold the text; reads one block after another, and keeps none.
    async find() {
      const number = ++this.search;
      const wanted = byId("text").value.trim().toLowerCase();
      if (!wanted) {
        this.matching = null;
        this.arrange();
        return;
      }
      const found = new Set();
      const blocks = document.querySelectorAll("script.details");
      for (const [place, block] of [...blocks].entries()) {
        const details = await unpacked(block);
        if (number !== this.search) return; // another text was typed
        details.forEach((detail, offset) => {
          const texts = [...detail.facts, ...detail.texts];
          if (texts.some(([, text]) => text.toLowerCase().includes(wanted))) {
            found.add(place * this.data.perBlock + offset);
          }
        });
        byId("count").textContent = `Searching: ${place + 1} of ${blocks.length} parts`;
      }
      this.matching = found;
      this.arrange();
    }

    // Draws the rows in view.
    draw() {
      const { grid, rows, order } = this;
      const room = grid.clientHeight;
      if (!room) return; // another view is shown
      rows.style.height = `${order.length * ROW}px`;
      const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - SPARE);
      const last = Math.min(order.length, Math.ceil((grid.scrollTop + room) / ROW) + SPARE);
      const drawn = [];
      for (let place = first; place < last; place += 1) drawn.push(this.row(place));
      rows.replaceChildren(...drawn);
      if (order.length) grid.setAttribute("aria-activedescendant", `row-${this.at}`);
      else grid.removeAttribute("aria-activedescendant");
    }

    row(place) {
      const values = this.data.rows[this.order[place]];
      const node = make("div", {
        role: "row",
        class: "row",
        id: `row-${place}`,
        "aria-rowindex": place + 2,
        "aria-selected": place === this.at,
        "data-place": place,
      });
      node.style.transform = `translateY(${place * ROW}px)`;
      COLUMNS.forEach((_, column) => {
        const about = { role: "gridcell" };
        if (NUMERIC(column)) about.class = "n";
        if (column === INDEX && values[SELECTED]) about.class = "n good";
        node.append(make("div", about, this.told(values, column)));
      });
      return node;
    }

    told(values, column) {
      const value = values[column];
      if (value === null) return "–";
      if (column === JOB) return this.data.jobs[value].slice(0, this.several ? 2 : 1).join(" · ");
      if (column === INDEX) return values[SELECTED] ? `★ ${value}` : String(value);
      if (column === STATUS) return value;
      if (column === TOKENS) return value.toLocaleString("en");
      if (column === SECONDS) return value.toFixed(value < 0.1 ? 4 : 2);
      return `${(Math.floor(value * 1000 + 1e-9) / 10).toFixed(1)}%`;
    }

    choose(place) {
      this.at = Math.max(0, Math.min(this.order.length - 1, place));
      const { grid } = this;
      const room = grid.clientHeight - byId("head").offsetHeight;
      const top = this.at * ROW;
      if (top < grid.scrollTop) grid.scrollTop = top;
      else if (top + ROW > grid.scrollTop + room) grid.scrollTop = top + ROW - room;
      this.draw();
    }

    press(event) {
      if (event.target !== this.grid) return; // a button of the head
      const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 2);
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
      if (event.key in steps) this.choose(this.at + steps[event.key]);
      else if (event.key === "Home") this.choose(0);
      else if (event.key === "End") this.choose(this.order.length - 1);
      else if (event.key === "Enter") this.open();
      else return;
      event.preventDefault();
    }

    async detail(place) {
      const { perBlock } = this.data;
      const block = Math.floor(place / perBlock);
      if (this.block.place !== block) {
        const value = await unpacked(document.querySelectorAll("script.details")[block]);
        this.block = { place: block, value };
      }
      return this.block.value[place % perBlock];
    }

    async open() {
      if (!this.order.length) return;
      const place = this.order[this.at];
      const values = this.data.rows[place];
      const detail = await this.detail(place);
      if (place !== this.order[this.at]) return; // another one was chosen in the meantime
      const [job, run] = this.data.jobs[values[JOB]];
      const dialog = byId("detail");
      const step = (name, by) => {
        const button = make("button", { type: "button" }, name);
        button.disabled = this.at + by < 0 || this.at + by >= this.order.length;
        button.addEventListener("click", () => this.move(by));
        return button;
      };
      const close = make("button", { type: "button" }, "Close");
      close.addEventListener("click", () => dialog.close());
      const title = `${job}, attempt ${values[INDEX]}`;
      const facts = make("dl", {}, make("dt", {}, "run"), make("dd", {}, run));
      for (const [name, value] of [["status", values[STATUS]], ...detail.facts]) {
        facts.append(make("dt", {}, name), make("dd", {}, value));
      }
      dialog.replaceChildren(
        make(
          "div",
          { class: "bar" },
          make("h3", { id: "detail-title" }, title),
          step("Previous", -1),
          step("Next", 1),
          close,
        ),
        ...(values[SELECTED] ? [make("p", { class: "good" }, "★ Selected")] : []),
        facts,
      );
      for (const [name, text] of detail.texts) {
        dialog.append(make("h4", {}, name), make("pre", { tabindex: 0 }, text));
      }
      if (detail.prompt !== null) dialog.append(this.prompt(detail.prompt));
      if (!dialog.open) dialog.showModal();
      close.focus({ preventScroll: true });
      dialog.scrollTop = 0;
    }

    prompt(place) {
      const text = make("pre", { tabindex: 0 });
      const node = make("details", { class: "prompt" }, make("summary", {}, "Prompt"), text);
      const show = async () => {
        text.textContent = await unpacked(document.querySelectorAll("script.prompts")[place]);
      };
      node.addEventListener("toggle", show, { once: true });
      return node;
    }

    move(by) {
      const place = this.at + by;
      if (place < 0 || place >= this.order.length) return;
      this.choose(place);
      this.open();
    }
  }

  let table = null;

  async function addAttempts() {
    table = new Table(await unpacked(byId("table")));
    byId("detail").addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight") table.move(1);
      else if (event.key === "ArrowLeft") table.move(-1);
    });
    byId("detail").addEventListener("close", () => byId("grid").focus({ preventScroll: true }));
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, select, textarea, dialog");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      location.hash = "#attempts";
      showView();
      byId("text").focus();
    });
    performance.mark("attempts shown");
  }

  document.body.classList.add("tabs");
  addEventListener("hashchange", showView);
  addEventListener("load", () => scrollTo(0, 0)); // after the browser's jump to the address
  addEventListener("beforeprint", () => {
    for (const node of document.querySelectorAll("details.card")) node.open = true;
  });
  addTheme();
  showView();
  if (byId("table")) {
    addAttempts().catch((error) => {
      byId("count").textContent = `This browser cannot show the attempts: ${error.message}.`;
    });
  }
})();
