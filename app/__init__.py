"""Mirrorwise: a GeoIP-aware mirrorlist redirector for dnf, yum and zypper."""
