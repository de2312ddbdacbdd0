"""The other side of the line: certificates, revocation lists, TLS, and who is calling."""
