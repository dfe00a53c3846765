"""Volumes and pictures on disk: read, check, write."""
