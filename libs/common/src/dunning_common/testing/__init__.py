"""Fakes and helpers that ship with the product, so that tests of any service need no patching."""
