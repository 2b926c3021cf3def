def f(x):
    return 1 // int(x[0])
