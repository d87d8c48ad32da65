"""Believable runs in any number, for trials and benchmarks; none of them was ever executed.

A few thousand stories are played through the engine's own rules and folded by the recorder's
own reader (`story`), turned into COPY text with gaps for what differs from run to run
(`template`), and told again and again with other ids, times and names (`chunks`).
"""
