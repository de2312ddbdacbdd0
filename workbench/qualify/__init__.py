"""Running the official qualification scripts: FHIR TestScripts in the form in which Nictiz publishes them."""
