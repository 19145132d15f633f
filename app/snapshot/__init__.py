"""The snapshot: everything a request will need, already decided.

`schema` is what travels through the store, `eligibility` and `compile` make it in the worker,
`loaded` is how the web process holds it.
"""
