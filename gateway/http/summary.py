"""``Patient/$summary``: the summary of the person of the token (IPS), as a document of FHIR or on paper.

What the rows of the source standard find is converted and put together by `profiles.summary`. A section of which a
source failed says so; what is wrong in R4 is left out.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.collect.converted import ConvertedCollector, ConvertedRecord
from gateway.collect.gaps import hidden_counts, told
from gateway.collect.pipeline import Collected
from gateway.dossier.summarypaper import paper_of
from gateway.http.admission import Admission
from gateway.http.partial import Partials, unavailable
from gateway.http.progress import Progress
from gateway.http.reply import Reply
from gateway.problems import Problem
from profiles.conversion.tables import tables
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format, content_type, essence, negotiate
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import key_of
from profiles.standards.model import RequestRule
from profiles.summary import PROFILES, SummaryError, Wishes, summary
from profiles.summary.selection import sections

PDF = "application/pdf"
LARGEST = 5 * 1024 * 1024
"""Bytes of a document."""
MOST = 4_096
"""Documents of which it is remembered when they were made: of the same record the same bytes are given again."""


@dataclass(frozen=True, slots=True)
class Summaries:
    """Answers requests for a summary. ``names``: of the providers, for people; ``font``: for paper."""

    converting: ConvertedCollector
    names: Mapping[str, str]
    partials: Partials
    font: Path
    moments: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """When each document was made first, by its id."""

    async def reply(self, progress: Progress, admission: Admission) -> Reply:
        """The document. Raises Problem, NotAcceptable or StoreUnavailable."""
        wishes, paper = _wishes(admission), _on_paper(progress)
        request, grant = admission.request, admission.grant
        ids = (progress.exchange.request_id, progress.exchange.correlation_id)
        rows = await self.converting.everything(admission.whose, grant, admission.standard, request, ids)
        gaps = [gap for _, collected in rows for gap in collected.gaps]
        progress.gaps = tuple(dict.fromkeys(f"{gap.what}:{gap.reason}" for gap in gaps))
        progress.hidden = hidden_counts(one for _, collected in rows for one in collected.hidden)
        progress.incidents = tuple(incident for _, collected in rows for incident in collected.incidents)
        self.partials.check(grant.client, admission.standard.id, admission.admitted.rule, gaps)
        if all(collected.nothing for _, collected in rows):
            raise unavailable(gaps, "The source of these data does not answer at the moment. Try again later.")
        resources = list(_right(collected for _, collected in rows))
        _same_patient(resources, request.id)
        wishes = Wishes(wishes.language, down=_down(rows), form=wishes.form)
        name = self.names.get(admission.whose.provider, admission.whose.provider)
        house: Resource = {"resourceType": "Organization", "id": "institution", "name": name}
        try:
            made = summary(resources, house, datetime.now(UTC), wishes).bundle
        except SummaryError as fault:
            raise Problem(404, "not-found", "There is no summary of this person.") from fault
        made = self._once(made)
        progress.counts = tuple(sorted(Counter(row["resource"]["resourceType"] for row in made["entry"]).items()))
        if paper:
            return self._paper(made, name)
        return _written(progress, made)

    def _once(self, made: Resource) -> Resource:
        """The document with the moment at which it was made first, when it says the same: its id is of its content."""
        ident = str(made["id"])
        made["timestamp"] = made["entry"][0]["resource"]["date"] = self.moments.setdefault(ident, made["timestamp"])
        self.moments.move_to_end(ident)
        if len(self.moments) > MOST:
            self.moments.popitem(last=False)
        return made

    def _paper(self, made: Resource, name: str) -> Reply:
        try:
            body = paper_of(made, name, self.font)
        except OSError as fault:
            text = "There is no summary on paper here; ask for FHIR."
            raise Problem(406, "not-supported", text) from fault
        headers = {"content-disposition": 'attachment; filename="samenvatting.pdf"', "vary": "accept"}
        return Reply(200, body, PDF, headers)


def _wishes(admission: Admission) -> Wishes:
    given = dict(admission.request.query)
    profile, language = given.get("profile"), given.get("_lang", "nl")
    known = {url: form for form, urls in PROFILES.items() for url in urls}
    if profile is not None and profile not in known:
        raise Problem(400, "not-supported", "This profile of a summary is not offered here.")
    if language not in ("nl", "en"):
        raise Problem(400, "value", "A summary is in Dutch (nl) or English (en).")
    european = profile is not None and known[profile] == "eps"
    return Wishes("en" if language == "en" else "nl", form="eps" if european else "ips")


def _on_paper(progress: Progress) -> bool:
    """Whether a PDF is asked for; what is neither that nor FHIR is not acceptable."""
    accept = progress.exchange.header(b"accept") or ""
    asked = [value for name, value in progress.question.request.query if name == "_format"] if progress.question else []
    if not asked and any(essence(part) == PDF for part in accept.split(",")):
        return True
    negotiate(accept, asked[0] if asked else None, FhirVersion.R4)
    return False


def _right(collected: Iterable[Collected]) -> Iterable[Resource]:
    """Each resource once, without what is wrong in R4."""
    seen = set()
    for one in collected:
        if not isinstance(one.record, ConvertedRecord):
            continue
        for held in one.record.everything():
            key = (held.type, held.id)
            if key not in seen and key not in one.record.wrong:
                seen.add(key)
                yield held.whole


def _same_patient(resources: Sequence[Resource], asked: str | None) -> None:
    """Of one person there may be two Patients in a payer's row; who is asked about must be the one there is."""
    patients = [one for one in resources if one["resourceType"] == "Patient"]
    if not patients or (asked is not None and ("Patient", asked) not in map(key_of, patients)):
        raise Problem(404, "not-found", "There is no such person here.")


def _down(rows: Sequence[tuple[RequestRule, Collected]]) -> frozenset[str]:
    """The sections of which a part is missing: those that take a type of a row whose source failed."""
    lacking = {rule.type or "" for rule, collected in rows if told(collected.gaps)}
    types = {tables().types.get(name, name) for name in lacking}
    return frozenset(one.id for one in sections().section if any(take.type in types for take in one.take))


def _written(progress: Progress, made: Resource) -> Reply:
    version = FhirVersion.R4
    body = jsonio.dump(made) if progress.format is Format.JSON else xmlio.dump(made, version)
    if len(body) > LARGEST:
        raise Problem(422, "too-costly", "This summary would be larger than a summary may be.")
    return Reply(200, body, content_type(progress.format, version), {"vary": "accept"})
