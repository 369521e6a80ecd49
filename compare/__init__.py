"""Runs programs as ordinary shell commands and checks their results."""
