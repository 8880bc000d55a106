"""Images: the store (store.py), references, and the layer archives that go in and out."""
