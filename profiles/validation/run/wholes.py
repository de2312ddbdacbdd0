"""The rules about a resource as a whole, by its type: what its elements cannot tell one by one."""

from typing import Any

from profiles.fhir.version import FhirVersion
from profiles.validation.context import Context
from profiles.validation.hits import Hits
from profiles.validation.rules.bundles import bundle_hits
from profiles.validation.rules.questionnaires import questionnaire_hits
from profiles.validation.rules.responses import Answering
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.nodes import Node
from profiles.validation.schema.terminology import Terminology


class Wholes:
    """Applies the rules about whole resources with one set of definitions."""

    def __init__(self, version: FhirVersion, definitions: Definitions, terminology: Terminology) -> None:
        self._version = version
        self._definitions = definitions
        self._terminology = terminology

    def hits(self, resource: dict[str, Any], node: Node | None, context: Context) -> Hits:
        """What is wrong with a resource as a whole; nothing for most types."""
        match resource["resourceType"]:
            case "Bundle":
                return bundle_hits(resource, node, self._version)
            case "Questionnaire":
                return questionnaire_hits(resource, node)
            case "QuestionnaireResponse":
                form = self._form(resource, context)
                if form is not None:
                    return Answering(resource, form, node, context, self._terminology.value_set).hits()
        return []

    def _form(self, response: dict[str, Any], context: Context) -> dict[str, Any] | None:
        """The questionnaire of a response: contained, beside it, or among the definitions."""
        link = response.get("questionnaire")
        text = link.get("reference") if isinstance(link, dict) else link
        if not isinstance(text, str):
            return None
        found = context.resolve(text) or self._definitions.find("Questionnaire", text)
        return found if isinstance(found, dict) and found.get("resourceType") == "Questionnaire" else None
