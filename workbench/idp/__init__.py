"""The test identity provider: an OpenID Connect login page with fictitious persons, for tests and the demo."""
