"""The panel: one file for each section, the choices of its menus, and their translation into backend settings."""
