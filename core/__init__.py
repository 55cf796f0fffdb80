"""What Touchstone knows: records, deciders, providers, store. No framework, no room above it."""
