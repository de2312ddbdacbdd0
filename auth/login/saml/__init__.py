"""SAML 2.0 towards a login bridge: DigiD and TVS (IDN-03). Signatures are carried by signxml (extra `saml`)."""
