"""The panel: one file for each of its sections, what can be chosen in it, and what the choices ask of the backend."""
