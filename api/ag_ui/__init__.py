"""A run of the desk as a run of AG-UI, the protocol between agents and user interfaces."""
