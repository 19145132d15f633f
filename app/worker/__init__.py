"""The worker: it reads the inputs, compiles a snapshot and publishes it whenever an input changes.

`reader` reads all inputs and keeps the last good ones, `guard` keeps a broken prober and slips of people from
emptying lists, `loop` decides when to compile and publish, and `running` runs it.
"""
