"""The rules of dunning as pure functions over plain values.

Reads no clock, no database, no file and no setting: time, calendar and rates are arguments.
"""
