"""The language itself, by the sections of FHIRPath N1 (http://hl7.org/fhirpath/N1): what each part means."""

from decimal import Decimal
from typing import Any

import pytest

from profiles import fhirpath
from profiles.fhir.version import FhirVersion
from profiles.fhirpath import FhirPathError
from profiles.fhirpath.functions import FUNCTIONS

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "birthDate": "1970-01-31",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1970-01-31T10:00:00Z"}]},
    "name": [{"family": "Jansen", "given": ["Jan", "Piet"]}, {"text": "x"}],
    "multipleBirthInteger": 2,
    "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "#o"}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Huis"}],
    "extension": [{"url": "urn:weight", "valueQuantity": {"value": Decimal("70.50"), "code": "kg"}}],
    "text": {"status": "generated", "div": "<div/>"},
}


def evaluate(text: str, focus: Any = PATIENT, **more: Any) -> list[Any]:
    return [
        value if isinstance(value, bool | int | Decimal | dict) else str(value)
        for value in fhirpath.compile(text).evaluate(focus, FhirVersion.R4, **more)
    ]


def cases(table: str) -> list[Any]:
    """Lines ``expression -> result``, each result written as an expression of Python."""
    rows = (line.split(" -> ") for line in table.strip().splitlines())
    return [pytest.param(text.strip(), eval(result), id=text.strip()) for text, result in rows]


LITERALS = r"""
true -> [True]
{} -> []
42 -> [42]
1.50 -> [Decimal('1.50')]
'it\'s' -> ["it's"]
'a\u0041\n\t\\\/' -> ['aA\n\t\\/']
'\`\"' -> ['`"']
@2026 -> ['2026']
@2026-02 -> ['2026-02']
@2026-02-28 -> ['2026-02-28']
@2026T -> ['2026']
@2026-02-28T10 -> ['2026-02-28T10']
@2026-02-28T10:30:15.5+01:00 -> ['2026-02-28T10:30:15.5+01:00']
@T10:30 -> ['10:30']
5 'mg' -> ["5 'mg'"]
3 days -> ['3 days']
1 week -> ['1 week']
{'a', 'b'} -> ['a', 'b']
1 // a remark -> [1]
/* one */ 1 -> [1]
%ucum -> ['http://unitsofmeasure.org']
"""

NAVIGATION = """
name.family -> ['Jansen']
Patient.name.given -> ['Jan', 'Piet']
Observation.name -> []
DomainResource.id -> ['p']
name.`family` -> ['Jansen']
name[0].given[1] -> ['Piet']
name.given[9] -> []
name[1].family -> []
text.div -> ['<div/>']
multipleBirth -> [2]
extension.value.value -> [Decimal('70.50')]
name.nothing.at.all -> []
name.where($this.family = 'Jansen').given.first() -> ['Jan']
name.given.where($index = 1) -> ['Piet']
name.given.select($index) -> [0, 1]
name.select(given.select($index) | $index) -> [0, 1, 1]
%resource.id -> ['p']
%context.id = %rootResource.id -> [True]
"""

PRECEDENCE = """
1 + 2 * 3 -> [7]
(1 + 2) * 3 -> [9]
-1 + 2 -> [1]
-(1 + 2) -> [-3]
-2 * 3 -> [-6]
2 - 3 - 4 -> [-5]
8 / 4 / 2 -> [Decimal('1')]
1 | 2 + 1 -> [1, 3]
1 + 1 = 2 and true -> [True]
true or false and false -> [True]
false and false or true -> [True]
false implies true and false -> [True]
true xor true or true -> [True]
1 < 2 = true -> [True]
2 in 1 | 2 -> [True]
(1 | 2) contains 2 = true -> [False]
1 in 1 | 2 and true -> [True]
'a' & 'b' = 'ab' -> [True]
'a' + 'b' is String -> [True]
(1 | 2).count() -> [2]
name.family is string -> [True]
name.given.first() & '!' -> ['Jan!']
"""

LOGIC = """
true and {} -> []
false and {} -> [False]
{} and false -> [False]
true or {} -> [True]
{} or {} -> []
{} xor true -> []
true xor false -> [True]
{} implies true -> [True]
{} implies false -> []
false implies {} -> [True]
true implies {} -> []
{}.not() -> []
active.not() -> [False]
name.first() and true -> [True]
"""

COMPARISON = """
1 = 1.0 -> [True]
1.0 = 1.00 -> [True]
'a' = 'A' -> [False]
'A b' ~ 'a  B' -> [True]
1 = '1' -> [True]
1 = '01' -> [False]
true = 1 -> [False]
{} = {} -> []
1 = {} -> []
{} ~ {} -> [True]
1 ~ {} -> [False]
{} !~ 1 -> [True]
(1 | 2) = (1 | 2) -> [True]
(1 | 2) = (2 | 1) -> [False]
(1 | 2) ~ (2 | 1) -> [True]
(1 | 2) = 1 -> [False]
1.1 ~ 1.14 -> [True]
1.1 ~ 1.16 -> [False]
1 != 2 -> [True]
'a' < 'b' -> [True]
1 <= 1.0 -> [True]
{} > 1 -> []
name[0] = name[0] -> [True]
name[0] = name[1] -> [False]
'Jan' in name.given -> [True]
name.given contains 'Kees' -> [False]
{} in name.given -> []
1 in {} -> [False]
birthDate = '1970-01-31' -> [True]
birthDate = @1970-01-31 -> [True]
birthDate < @1970-02 -> [True]
birthDate < '1980-01-01' -> [True]
extension.value >= 70 'kg' -> [True]
extension.value > 70400 'g' -> [True]
extension.value > 70 'mmol' -> []
5 'mg' = 5.0 'mg' -> [True]
1 'g' = 1000 'mg' -> [True]
1 'g' = 1 's' -> []
1 year = 1 'a' -> []
1 year ~ 1 'a' -> [True]
1 second = 1 's' -> [True]
7 days = 1 week -> [True]
5 '1' = 5 -> [True]
"""

ARITHMETIC = """
5 / 2 -> [Decimal('2.5')]
5 / 0 -> []
5 div 2 -> [2]
-5 div 2 -> [-2]
5 mod 2 -> [1]
-5 mod 2 -> [-1]
5.5 mod 2 -> [Decimal('1.5')]
5 mod 0 -> []
1.10 + 1 -> [Decimal('2.10')]
0.1 + 0.2 -> [Decimal('0.3')]
1.50 * 2 -> [Decimal('3.00')]
1234567890123456789012345678901234567890.5 + 1 -> [Decimal('1234567890123456789012345678901234567891.5')]
{} + 1 -> []
'a' + {} -> []
'a' & {} & 'b' -> ['ab']
1 'g' + 500 'mg' -> ["1.500 'g'"]
2 * 3 'mg' -> ["6 'mg'"]
6 'mg' / 2 -> ["3 'mg'"]
6 'mg' / 2 'mg' -> ["3 '1'"]
1 'g' + 1 's' -> []
-(5 'mg') -> ["-5 'mg'"]
@2026-01-31 + 1 month -> ['2026-02-28']
@2024-02-29 + 1 year -> ['2025-02-28']
@2026-01-31 - 1 day -> ['2026-01-30']
@2026-01-31 + 2 weeks -> ['2026-02-14']
@2014 + 24 months -> ['2016']
@2014-03 + 45 days -> ['2014-04']
@2026-01-31T23:30:00+01:00 + 1 hour -> ['2026-02-01T00:30:00+01:00']
@2026-01-31T10:00:00.250Z + 1.5 's' -> ['2026-01-31T10:00:01.750Z']
@T23:30 + 45 minutes -> ['00:15']
@9999-12-31 + 1 day -> []
birthDate + 1 day -> ['1970-02-01']
"""

FUNCTION_CALLS = r"""
name.empty() -> [False]
{}.empty() -> [True]
name.exists(text = 'x') -> [True]
name.all(family.exists() or text.exists()) -> [True]
{}.all(false) -> [True]
(true | false).allTrue() -> [False]
(true | false).anyTrue() -> [True]
(true | false).allFalse() -> [False]
(true | false).anyFalse() -> [True]
{}.allTrue() -> [True]
(1 | 2).subsetOf(1 | 2 | 3) -> [True]
(1 | 2).supersetOf(1) -> [True]
name.given.count() -> [2]
(1 | 1.0 | 2).count() -> [2]
name.given.isDistinct() -> [True]
{1, 1, 2}.distinct() -> [1, 2]
name.where(family.exists()).given -> ['Jan', 'Piet']
name.select(given.first() & '.') -> ['Jan.', '.']
contained.repeat(name) -> ['Huis']
{1, 2, 3}.single() = 1 -> FhirPathError
{}.single() -> []
{1, 2, 3}.first() -> [1]
{1, 2, 3}.last() -> [3]
{1, 2, 3}.tail() -> [2, 3]
{1, 2, 3}.skip(2) -> [3]
{1, 2, 3}.skip(-2) -> [1, 2, 3]
{1, 2, 3}.take(2) -> [1, 2]
{1, 2, 2}.intersect({2, 2, 3}) -> [2]
{1, 2, 2}.exclude({1}) -> [2, 2]
{1, 2}.union({2, 3}) -> [1, 2, 3]
{1, 2}.combine({2, 3}) -> [1, 2, 2, 3]
iif(active, 'ja', 'nee') -> ['ja']
iif(false, 'ja') -> []
name.given.iif(count() > 1, first(), 'x') -> ['Jan']
{1, 2, 3}.aggregate($total + $this, 0) -> [6]
{1, 2, 3}.aggregate(iif($total.empty(), $this, iif($this > $total, $this, $total))) -> [3]
'true'.toBoolean() -> [True]
2.toBoolean() -> []
'12'.toInteger() + 1 -> [13]
'x'.toInteger() -> []
'1.50'.toDecimal() -> [Decimal('1.50')]
1.50.toString() -> ['1.50']
true.toString() -> ['true']
birthDate.toString() -> ['1970-01-31']
'2026-02'.toDate() -> ['2026-02']
'2026-02-30'.toDate() -> []
'2026-02-01T10:00:00Z'.toDate() -> ['2026-02-01']
'2026-02-01'.toDateTime() is DateTime -> [True]
'10:30'.toTime() -> ['10:30']
'5 \'mg\''.toQuantity() -> ["5 'mg'"]
'3 days'.toQuantity() -> ['3 days']
'3 x'.convertsToQuantity() -> [False]
'1'.convertsToBoolean() -> [True]
'1.5'.convertsToInteger() -> [False]
{}.convertsToInteger() -> []
'1.5'.convertsToDecimal() and name[0].convertsToString().not() -> [True]
'2026'.convertsToDate() and '2026'.convertsToDateTime() -> [True]
'10:30'.convertsToTime() and '2026'.convertsToTime().not() -> [True]
'abcdef'.indexOf('cd') -> [2]
'abc'.indexOf('') -> [0]
'abc'.substring(1) -> ['bc']
'abc'.substring(1, 1) -> ['b']
'abc'.substring(3) -> []
'abc'.startsWith('a') and 'abc'.endsWith('') -> [True]
'abc'.contains('b') -> [True]
'aBc'.upper() & 'aBc'.lower() -> ['ABCabc']
'abcab'.replace('ab', 'x') -> ['xcx']
'1234AB'.matches('^\\d{4}[A-Z]{2}$') -> [True]
'http://h/x/Task?a=1'.replaceMatches('(.*/)Task.*', '$1') -> ['http://h/x/']
'abc'.length() -> [3]
'abc'.toChars() -> ['a', 'b', 'c']
' a '.trim() -> ['a']
'a,b'.split(',').join(';') -> ['a;b']
'a<b'.escape('html').unescape('html') -> ['a<b']
'abc'.encode('base64') & 'abc'.encode('hex') -> ['YWJj616263']
'YWJj'.decode('base64') -> ['abc']
(-5).abs() -> [5]
1.1.ceiling() + 1.9.floor() + 1.9.truncate() -> [4]
(-1.5).truncate() -> [-1]
1.455.round(2) -> [Decimal('1.46')]
9.sqrt() -> [Decimal('3')]
(-1).sqrt() -> []
2.power(3) -> [8]
(-1).power(0.5) -> []
100.log(10) -> [Decimal('2')]
0.exp() -> [Decimal('1')]
1.ln() -> [Decimal('0')]
0.ln() -> []
{1, 2, 3}.sum() -> [6]
{1, 2}.avg() -> [Decimal('1.5')]
{2, 1, 3}.min() & {2, 1, 3}.max() -> ['13']
contained.children().count() -> [2]
contained.descendants() -> ['o', 'Huis']
birthDate.extension('urn:time').value -> ['1970-01-31T10:00:00Z']
birthDate.hasValue() -> [True]
name.hasValue() -> [False]
birthDate.getValue() -> ['1970-01-31']
generalPractitioner.resolve().name -> ['Huis']
name.trace('names').count() -> [2]
today().toString().length() -> [10]
now() = now() -> [True]
timeOfDay() is Time -> [True]
text.div.htmlChecks() and text.div.htmlchecks() -> [True]
'x'.memberOf('urn:nothing') -> []
"""

TYPES = """
1 is Integer -> [True]
1.0 is Decimal -> [True]
'a' is System.String -> [True]
'a' is FHIR.string -> [False]
@2026 is Date -> [True]
@T10:00 is Time -> [True]
5 'mg' is Quantity -> [True]
active is boolean -> [True]
active is System.Boolean -> [False]
birthDate is date -> [True]
birthDate is dateTime -> [False]
id is string -> [True]
Patient is DomainResource -> [True]
Patient is FHIR.Patient -> [True]
name[0] is HumanName -> [True]
name[0] is Element -> [True]
multipleBirth is integer -> [True]
multipleBirth is boolean -> [False]
(multipleBirth as integer) > 1 -> [True]
multipleBirth as boolean -> []
deceased is boolean -> []
extension.value.ofType(Quantity).code -> ['kg']
extension.value.ofType(string) -> []
contained.where($this is Organization).id -> ['o']
contained[0].as(Patient) -> []
descendants().where($this is Reference).count() -> [2]
active.type().name -> ['boolean']
1.type().namespace & 1.type().name -> ['SystemInteger']
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        row
        for table in (LITERALS, NAVIGATION, PRECEDENCE, LOGIC, COMPARISON, ARITHMETIC, FUNCTION_CALLS, TYPES)
        for row in cases(table)
    ],
)
def test_the_language_means_what_the_standard_says(text: str, expected: Any) -> None:
    if expected is FhirPathError:
        with pytest.raises(FhirPathError):
            evaluate(text)
        return
    found = evaluate(text)
    assert found == expected
    assert list(map(str, found)) == list(map(str, expected)), "decimals keep their digits, and true is not 1"


def test_every_function_of_the_table_is_tried_here() -> None:
    assert not {name for name in FUNCTIONS if f"{name}(" not in FUNCTION_CALLS + TYPES + LOGIC}


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("name.", 5),
        ("name = ", 7),
        ("(name", 5),
        ("name)", 4),
        ("'open", 0),
        ("name where", 5),
        ("name.nothing()", 5),
        ("name.where()", 5),
        ("name.where(true, true)", 5),
        ("name[0", 6),
        ("name.is(1)", 8),
        ("and", 0),
        ("1 and", 5),
        ("#39;x", 0),
        ("@2026-02-30", 0),
        ("@2026-13", 0),
        ("@T25:00", 0),
        ("@2026-01-01T10:00:00+15:00", 0),
        ("$that", 0),
        ("%", 1),
        ("1" * 61, 0),
        ("name.first(", 11),
    ],
)
def test_a_fault_in_the_text_is_told_with_its_place(text: str, position: int) -> None:
    with pytest.raises(FhirPathError) as caught:
        fhirpath.compile(text)
    assert caught.value.position == position
    assert f"character {position + 1}" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "%unknown",
        "name.matches('x')",
        "name.family + 1",
        "name.family < 3",
        "1 < 'a'",
        "(1 | 2) + 1",
        "(true | false) and true",
        "(1 | 2) < 3",
        "(1 | 2) is Integer",
        "name.given.length()",
        "1.length()",
        "'a'.substring('b')",
        "'a'.matches('(')",
        "name['x']",
        "-name",
        "(1 | 'a').allTrue()",
        "@2026 + 1 'a'",
        "@T10:00 < @2026",
    ],
)
def test_what_the_standard_calls_an_error_is_one_and_not_an_answer(text: str) -> None:
    with pytest.raises(FhirPathError) as caught:
        evaluate(text)
    assert caught.value.position is None


def test_variables_are_the_callers() -> None:
    assert evaluate("%who & %resource.id", variables={"who": "x", "resource": PATIENT["contained"][0]}) == ["xo"]
    assert evaluate("%many.count()", variables={"many": [1, 2]}) == [2]
    assert evaluate("%one.name", variables={"one": PATIENT["contained"][0]}) == ["Huis"]
    assert evaluate("%none.exists()", variables={"none": None}) == [False]


def test_a_criterion_of_several_items_holds_as_the_national_scripts_use_it() -> None:
    """``where(coding.where(code = 'x'))``: the standard wants one item, the scripts mean that there is any."""
    concept = {"coding": [{"code": "x", "system": "a"}, {"code": "x", "system": "b"}]}
    observation = {"resourceType": "Observation", "id": "o", "category": [concept]}
    assert evaluate("category.where(coding.where(code = 'x')).count()", observation) == [1]
    assert evaluate("category.all(coding)", observation) == [True]


def test_a_choice_is_found_by_its_type_and_not_by_a_name_that_begins_alike() -> None:
    questionnaire = {"resourceType": "Questionnaire", "item": [{"linkId": "1", "maxLength": 5, "typeCode": "x"}]}
    assert evaluate("item.max.exists() or item.type.exists() or resource.exists()", questionnaire) == [False]
    parameter = {"name": "x", "_valueString": {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]}}
    parameters = {"resourceType": "Parameters", "parameter": [parameter]}
    assert evaluate("parameter.value.exists() and parameter.value.hasValue().not()", parameters) == [True]
