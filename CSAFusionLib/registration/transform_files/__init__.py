"""Transforms that other programs wrote: told apart by content, read as ITK has them: fixed to moving, LPS mm."""
