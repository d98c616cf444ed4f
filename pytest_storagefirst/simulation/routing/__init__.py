"""How services hand on what they are given: topics, buses, buckets and schedules, to their targets.

moto answers the calls; who gets what, when, how often it is tried and what becomes of it is decided
here, in virtual time, to AWS's rules.
"""
