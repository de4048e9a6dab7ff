"""The command launch: horovodrun, and what of its output is for people."""
