"""The worker: sources → snapshot → store, again whenever an input changes.

`inputs` reads and remembers the last good of everything, `guard` keeps a broken prober from emptying
the network, `loop` decides when to compile and publish.
"""
