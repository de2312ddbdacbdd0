"""The flows of the authorization server, one file per half."""
