"""The lists of the MedMij registration: whitelist, OAuth client list, provider list, data-service names.

`model` says what a list is once read, `parse` turns bytes into it, `lists` holds the copies in use and their rules,
`pull` brings new copies. Nobody else sees XML.
"""
