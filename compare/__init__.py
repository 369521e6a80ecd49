"""Runs twins as ordinary shell commands and judges what they leave."""
