"""The snapshot: everything that requests will need, already decided.

`schema` defines what travels through the store, `eligibility` and `compile` make it in the worker, and
`loaded` is how the web process holds it.
"""
