"""The documents of the Open Container Initiative as types: runtime (config.json, state), image."""
