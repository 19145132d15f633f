"""The surveys of all machines: what each of them knows of the mirrors and the origin, shared through the
store.

`survey` is the value, `merging` makes one survey of several, `own` is this machine's state files, and `known`
is what a worker knows from all machines.
"""
