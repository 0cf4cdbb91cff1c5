"""Holds OCSF events, one JSON object on a line of the standard input, against the published schema.

    pip install ocsf-json-schema==1.2.0 jsonschema
    matricule-replay siem | python3 replay/tests/ocsf/validate.py
    grep '^{' replay/tests/replay/snapshots/replay__siem__every_event_in_its_class.snap \\
        | python3 replay/tests/ocsf/validate.py

The package carries the schema as schema.ocsf.io publishes it, so nothing is fetched while this runs.
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.5.0"
published = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
validators = {}
lines, wrong, classes = 0, 0, {}
for text in sys.stdin:
    if not text.startswith("{"):
        continue
    event = json.loads(text)
    lines += 1
    uid = event["class_uid"]
    if uid not in validators:
        name = published.lookup_class_name_from_uid(class_uid=uid)
        validators[uid] = Draft202012Validator(published.get_class_schema(class_name=name, profiles=[]))
    classes[uid] = classes.get(uid, 0) + 1
    for error in validators[uid].iter_errors(event):
        wrong += 1
        print(f"{event['metadata']['sequence']} {event['metadata']['event_code']}: {error.message[:300]}")
print(f"{lines} events of classes {classes}, {wrong} errors against OCSF {VERSION}")
sys.exit(1 if wrong or not lines else 0)
