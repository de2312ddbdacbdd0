"""Finding out who the person is: the port, the OpenID Connect client, and a test provider in the box."""
