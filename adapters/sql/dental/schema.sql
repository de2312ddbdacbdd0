-- A small system of a dental practice. Names and codes are invented, but shaped as such systems are.
create table patient (patient_id integer primary key, bsn varchar(9), name varchar(80), family varchar(60), first_name varchar(40),
  sex char(1), birth_date date);
create table dentist (dentist_id integer primary key, name varchar(80), family varchar(60), first_name varchar(40), agb varchar(8));
create table insurance (insurance_id integer primary key, patient_id integer, insurer varchar(60), uzovi varchar(4), kind char(2),
  policy varchar(20), valid_from date, valid_until date);
create table visit (visit_id integer primary key, patient_id integer, dentist_id integer, start_at timestamp, end_at timestamp,
  state char(1), reason varchar(80));
create table finding (finding_id integer primary key, patient_id integer, dentist_id integer, kind varchar(8), score varchar(8),
  remark varchar(200), found_at timestamp);
create table treatment (treatment_id integer primary key, patient_id integer, dentist_id integer, upt varchar(6), name varchar(80),
  done_on date);
create table plan (plan_id integer primary key, patient_id integer, aim varchar(200), urgent char(1));
