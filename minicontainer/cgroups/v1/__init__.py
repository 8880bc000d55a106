"""Cgroup v1 (also on hybrid hosts): a tree per controller, each mounted for itself."""
