-- A hospital EHR as one meets it: short codes, names in parts, results as text. SQLite and PostgreSQL both take this file.
-- Numbers that are clinical results are text: 7.10 is not 7.1. Everything in data.sql is invented.

create table address (
  address_id text primary key, street text, house_number text, house_letter text, house_addition text, unit text,
  locator text, postcode text, city text, municipality text, country text
);
create table organisation (
  organisation_id text primary key, agb text, uzovi text, name text not null, kind text, phone text,
  address_id text references address
);
create table location (
  location_id text primary key, organisation_id text not null references organisation, agb text, name text not null,
  phone text, address_id text references address
);
create table employee (
  employee_id text primary key, organisation_id text not null references organisation,
  agb text, big text, initials text, first_name text, call_name text, prefix text, surname text not null,
  specialty text not null, specialty_name text not null, phone text, email text
);
create table patient (
  patient_id text primary key, bsn text not null, display_name text not null,
  first_names text, initials text, call_name text, prefix text, surname text not null,
  partner_prefix text, partner_surname text, name_order text not null,
  sex text not null, birth_date date not null, multiple_birth text, deceased text, deceased_on date, marital_state text,
  mobile text, email text, address_id text references address, gp_id text references employee
);
create table contact_person (
  contact_id text primary key, patient_id text not null references patient,
  relation text not null, role text, initials text, first_name text, call_name text, prefix text, surname text not null,
  phone text, email text, address_id text references address
);
-- Who pays: an insurer with a policy, or a person with an account.
create table insurance (
  policy_id text primary key, patient_id text not null references patient, insurer_id text references organisation,
  kind text, member_number text, start_date date, end_date date,
  payer_name text, bank_name text, bank_account text, bank_code text
);
create table problem (
  problem_id text primary key, patient_id text not null references patient, kind text not null,
  snomed text, name text not null, body_site text, body_site_name text, side text,
  state text not null, certainty text, start_date text, end_date text, remark text
);
create table directive (
  directive_id text primary key, patient_id text not null references patient, kind text not null,
  treatment text, treatment_name text, permitted text, restriction text, form text,
  decided_on date not null, ended_on date, verified_with text, verified_on date, remark text,
  representative_id text references contact_person, advance_id text references directive,
  scan_type text, scan_base64 text
);
create table directive_problem (
  directive_id text not null references directive, problem_id text not null references problem,
  patient_id text not null references patient, position integer not null, primary key (directive_id, problem_id)
);
create table device (
  device_id text primary key, patient_id text not null references patient, snomed text, name text not null,
  description text, gtin text, remark text, body_site text, body_site_name text, side text,
  used_from date, employee_id text references employee, organisation_id text references organisation,
  problem_id text references problem, ordered_on date, order_state text, needed_from date,
  orderer_id text references employee
);
create table functional_status (
  status_id text primary key, patient_id text not null references patient, kind text not null,
  snomed text not null, name text not null, value_snomed text, value_name text, start_date date, end_date date,
  remark text, device_id text references device
);
create table social_history (
  history_id text primary key, patient_id text not null references patient, kind text not null, value text not null,
  start_date text, end_date text, amount text, amount_unit text, substance text, route text, pack_years text,
  remark text
);
create table nutrition_advice (
  advice_id text primary key, patient_id text not null references patient, employee_id text references employee,
  given_at timestamp, diet text not null, consistency text, explanation text
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
  snomed text, symptom text not null, severity text, description text, occurred_on date, route text,
  agent_snomed text, agent text
);
create table product (
  product_id text primary key, atc text, atc_name text, hpk text, hpk_name text, name text not null, description text,
  form text, form_name text
);
create table prescription (
  prescription_id text primary key, patient_id text not null references patient, product_id text not null references product,
  treatment_id text, prescriber_id text references employee, prescribed_at timestamp not null,
  start_at timestamp, end_at timestamp, days integer, cycle_days integer, stop_type text, additional text, reason text,
  remark text, problem_id text references problem
);
create table administration_agreement (
  agreement_id text primary key, patient_id text not null references patient,
  prescription_id text references prescription, product_id text not null references product,
  treatment_id text, dispenser_id text references employee, agreed_at timestamp not null,
  start_at timestamp, end_at timestamp, days integer, cycle_days integer, stop_type text, additional text, reason text,
  remark text
);
create table medication_use (
  use_id text primary key, patient_id text not null references patient, prescription_id text references prescription,
  product_id text not null references product, treatment_id text, state text not null, in_use text,
  asserted_at timestamp not null, start_at timestamp, end_at timestamp, days integer, cycle_days integer,
  as_agreed text, reason text, change_reason text, prescriber_id text references employee, remark text
);
-- The lines of a prescription, an administration agreement or a use: order_id is the key of that.
create table dosage (
  dosage_id text primary key, patient_id text not null references patient, order_id text not null,
  line integer not null, instruction text, extra_instruction text, times_a_day text, every_hours text, days integer,
  morning text, afternoon text, evening text, night text, route text, dose text, dose_unit text,
  as_needed text, as_needed_name text, most_at_once text, most_a_day text
);
create table vaccination (
  vaccination_id text primary key, patient_id text not null references patient, atc text, prk text, name text not null,
  given_on date, state text not null, dose text, dose_unit text, dose_ucum text, given_here text,
  employee_id text references employee, part text, remark text, planned_on date
);
create table measurement (
  measurement_id text primary key, patient_id text not null references patient, kind text not null,
  value text not null, second_value text, mean_value text, detail text, site text, method text, cuff text,
  end_point text, measured_at timestamp not null, remark text
);
create table specimen (
  specimen_id text primary key, patient_id text not null references patient, parent_id text references specimen,
  snomed text, name text not null, taken_at timestamp, received_at timestamp, method text, method_name text,
  volume text, volume_unit text, body_site text, body_site_name text, side text,
  container_number text, container text, container_name text, remark text
);
create table lab_result (
  result_id text primary key, patient_id text not null references patient, specimen_id text references specimen,
  discipline text, loinc text, name text not null, value text, unit text, ucum text, finding text,
  low text, high text, flag text, state text not null, method text, method_name text, remark text,
  measured_at timestamp not null, panel_id text references lab_result
);
create table operation (
  operation_id text primary key, patient_id text not null references patient, snomed text, name text not null,
  surgical text not null, method text, method_name text, body_site text, body_site_name text, side text,
  start_date date, end_date date, employee_id text references employee, organisation_id text references organisation,
  state text not null, ordered_on date, order_state text, requester_id text references employee,
  remark text, problem_id text references problem, device_id text references device
);
create table admission (
  admission_id text primary key, patient_id text not null references patient, kind text not null, state text not null,
  start_date date not null, start_time text, end_date date, end_time text,
  organisation_id text not null references organisation, employee_id text references employee, reason text,
  problem_id text references problem, operation_id text references operation, came_from text, went_to text
);
create table appointment (
  appointment_id text primary key, patient_id text not null references patient, state text not null, kind text not null,
  start_at timestamp not null, end_at timestamp not null, minutes integer, description text,
  problem_id text references problem, employee_id text references employee, location_id text references location
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

create index dosage_by_patient on dosage (patient_id);
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
