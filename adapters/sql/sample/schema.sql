-- A hospital EHR as one meets it: short codes, names in parts, results as text. SQLite and PostgreSQL both take this file.
-- Numbers that are clinical results are text: 7.10 is not 7.1. Everything in data.sql is invented.

create table organisation (
  organisation_id text primary key, agb text, name text not null, kind text not null,
  phone text, street text, house_number text, postcode text, city text
);
create table location (
  location_id text primary key, organisation_id text not null references organisation, name text not null, phone text
);
create table employee (
  employee_id text primary key, organisation_id text not null references organisation,
  big text, initials text, first_name text, prefix text, surname text not null,
  specialty text not null, specialty_name text not null
);
create table patient (
  patient_id text primary key, bsn text not null, display_name text not null,
  first_names text, initials text, call_name text, prefix text, surname text not null,
  partner_prefix text, partner_surname text, name_order text not null,
  sex text not null, birth_date date not null, deceased_on date, marital_state text,
  mobile text, email text, street text, house_number text, postcode text, city text, country text,
  gp_id text references employee
);
create table contact_person (
  contact_id text primary key, patient_id text not null references patient,
  relation text not null, role text, initials text, first_name text, prefix text, surname text not null, phone text
);
create table insurance (
  policy_id text primary key, patient_id text not null references patient, insurer_id text not null references organisation,
  kind text not null, member_number text, start_date date, end_date date
);
create table problem (
  problem_id text primary key, patient_id text not null references patient, kind text not null,
  snomed text, name text not null, state text not null, certainty text, start_date text, end_date text, remark text
);
create table directive (
  directive_id text primary key, patient_id text not null references patient, kind text not null,
  treatment text, treatment_name text, permitted text, restriction text, form text,
  decided_on date not null, verified_with text, verified_on date, remark text,
  problem_id text references problem, representative_id text references contact_person
);
create table functional_status (
  status_id text primary key, patient_id text not null references patient, kind text not null,
  snomed text not null, name text not null, value_snomed text, value_name text, start_date date, end_date date, remark text
);
create table social_history (
  history_id text primary key, patient_id text not null references patient, kind text not null, value text not null,
  start_date text, end_date text, amount text, remark text
);
create table nutrition_advice (
  advice_id text primary key, patient_id text not null references patient, employee_id text references employee,
  given_at timestamp not null, diet text not null, explanation text
);
create table alert (
  alert_id text primary key, patient_id text not null references patient, snomed text, name text not null,
  start_date date not null, end_date date, problem_id text references problem
);
create table allergy (
  allergy_id text primary key, patient_id text not null references patient, category text not null,
  snomed text, substance text not null, state text not null, severity text, start_date date, last_reaction date, remark text
);
create table allergy_reaction (
  reaction_id text primary key, allergy_id text not null references allergy, patient_id text not null references patient,
  snomed text, symptom text not null, severity text, description text
);
create table product (
  product_id text primary key, atc text, atc_name text, name text not null, form text, form_name text
);
create table prescription (
  prescription_id text primary key, patient_id text not null references patient, product_id text not null references product,
  treatment_id text not null, prescriber_id text references employee, prescribed_at timestamp not null,
  start_at timestamp, end_at timestamp, instruction text not null, times_a_day text, dose text, route text,
  problem_id text references problem, dispenser_id text references employee, agreed_at timestamp
);
create table medication_use (
  use_id text primary key, patient_id text not null references patient, prescription_id text references prescription,
  product_id text not null references product, treatment_id text, state text not null,
  asserted_at timestamp not null, start_at timestamp, end_at timestamp, as_agreed text, instruction text
);
create table device (
  device_id text primary key, patient_id text not null references patient, snomed text, name text not null, remark text,
  used_from date, problem_id text references problem, ordered_on date, order_state text, needed_from date,
  orderer_id text references employee
);
create table vaccination (
  vaccination_id text primary key, patient_id text not null references patient, atc text, name text not null,
  given_on date, state text not null, employee_id text references employee, planned_on date
);
create table measurement (
  measurement_id text primary key, patient_id text not null references patient, kind text not null,
  value text not null, second_value text, detail text, measured_at timestamp not null, remark text
);
create table specimen (
  specimen_id text primary key, patient_id text not null references patient, snomed text, name text not null,
  taken_at timestamp, received_at timestamp
);
create table lab_result (
  result_id text primary key, patient_id text not null references patient, specimen_id text references specimen,
  loinc text, name text not null, value text, unit text, ucum text, low text, high text, flag text, state text not null,
  measured_at timestamp not null, panel_id text references lab_result
);
create table operation (
  operation_id text primary key, patient_id text not null references patient, snomed text, name text not null,
  surgical text not null, start_date date, end_date date, employee_id text references employee,
  state text not null, ordered_on date, remark text, problem_id text references problem
);
create table admission (
  admission_id text primary key, patient_id text not null references patient, kind text not null, state text not null,
  start_at timestamp not null, end_at timestamp, employee_id text references employee, reason text,
  came_from text, went_to text
);
create table appointment (
  appointment_id text primary key, patient_id text not null references patient, state text not null, kind text not null,
  start_at timestamp not null, end_at timestamp not null, minutes integer, description text,
  employee_id text references employee, location_id text references location
);
create table document (
  document_id text primary key, patient_id text not null references patient, state text not null, loinc text not null,
  kind text not null, title text not null, made_at timestamp not null, author_id text references employee,
  content_type text not null, content_base64 text not null, size_in_bytes integer not null, sha1_base64 text not null
);
create table pregnancy (
  pregnancy_id text primary key, patient_id text not null references patient, start_date date not null, end_date date,
  state text not null, gravidity text, parity text, due_date date, due_date_by text, last_menstruation date
);
create table pregnancy_visit (
  visit_id text primary key, pregnancy_id text not null references pregnancy, patient_id text not null references patient,
  visited_at timestamp not null, employee_id text references employee, weight text, systolic text, diastolic text,
  fetal_heart_rate text
);

create index problem_by_patient on problem (patient_id);
create index prescription_by_patient on prescription (patient_id);
create index measurement_by_patient on measurement (patient_id);
create index lab_result_by_patient on lab_result (patient_id);
create index document_by_patient on document (patient_id);

-- The views that a mapping reads: what belongs together, joined once.
create view who as
  select employee_id, initials || ' ' || coalesce(prefix || ' ', '') || surname as employee_name,
         initials || ' ' || coalesce(prefix || ' ', '') || surname || ', ' || specialty_name as employee_role
  from employee;
