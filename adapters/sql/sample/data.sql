-- Invented people and invented data. BSNs start with 999 and are in no one's use.
insert into address (address_id, street, house_number, postcode, city, country) values
 ('a-zkh', 'Duinlaan', '1', '9998ZA', 'Zandoord', 'NL'),
 ('a-hap', 'Kreekpad', '4', '9998ZC', 'Zandoord', 'NL'),
 ('a-apo', 'Havenstraat', '12', '9998ZB', 'Zandoord', 'NL'),
 ('a-verz', 'Kustweg', '80', '9998ZE', 'Zandoord', 'NL'),
 ('a-1001', 'Kromme Elleboog', '27', '9998ZD', 'Zandoord', 'NL'),
 ('a-1002', 'Helmgras', '3', '9998ZF', 'Zandoord', 'NL'),
 ('a-1004', 'Lindelaan', '9', '9998ZG', 'Zandoord', 'NL');
insert into organisation (organisation_id, agb, name, kind, phone, address_id) values
 ('zkh', '99000601', 'Ziekenhuis Zandoord', 'V6', '0199-555000', 'a-zkh'),
 ('hap', '99000602', 'Huisartsenpraktijk De Kreek', 'Z3', '0199-555100', 'a-hap'),
 ('apo', '99000603', 'Apotheek Het Anker', 'J8', '0199-555200', 'a-apo'),
 ('verz', '99000604', 'Duinzicht Zorgverzekeringen', 'H1', '0199-555300', 'a-verz');
insert into location (location_id, organisation_id, name, phone) values
 ('poli-long', 'zkh', 'Polikliniek Longziekten, route 42', '0199-555042'),
 ('dagcentrum', 'zkh', 'Dagcentrum, route 7', '0199-555007');
insert into employee
 (employee_id, organisation_id, big, initials, first_name, prefix, surname, specialty, specialty_name) values
 ('huisarts', 'hap', '99012345602', 'P.J.', 'Pieter', 'van', 'Vliet', '01.015', 'Huisarts'),
 ('longarts', 'zkh', '99012345601', 'M.', 'Margreet', null, 'Wolthuis', '01.022', 'Longarts'),
 ('internist', 'zkh', '99012345603', 'S.', 'Samira', null, 'Bakr', '01.016', 'Internist'),
 ('chirurg', 'zkh', '99012345604', 'T.', 'Thomas', null, 'Hendriksen', '01.014', 'Chirurg'),
 ('oogarts', 'zkh', '99012345605', 'C.A.', 'Carla', null, 'Lindeman', '01.031', 'Oogarts'),
 ('dietist', 'zkh', null, 'A.', 'Anne', null, 'Prins', '89.000', 'Diëtist'),
 ('apotheker', 'apo', '99012345606', 'E.', 'Elif', null, 'Demir', '17.000', 'Apotheker'),
 ('gynaecoloog', 'zkh', '99012345607', 'R.', 'Rosa', 'de', 'Wolf', '01.046', 'Gynaecoloog');
insert into patient
 (patient_id, bsn, display_name, first_names, initials, call_name, prefix, surname, partner_prefix, partner_surname,
  name_order, sex, birth_date, marital_state, mobile, email, address_id, gp_id) values
 ('1001', '999951750', 'Joke van Veldhuizen - Brandsma', 'Johanna Maria', 'J.M.', 'Joke', null, 'Brandsma', 'van',
  'Veldhuizen', 'PE', 'V', '1968-08-22', 'G', '06-99000011', 'joke@veldhuizen.example', 'a-1001', 'huisarts'),
 ('1002', '999970239', 'Bram Oudejans', 'Abraham', 'A.', 'Bram', null, 'Oudejans', null, null, 'E', 'M', '1992-10-22',
  'O', '06-99000021', null, 'a-1002', 'huisarts'),
 ('1003', '999956838', 'Noor El Amrani', 'Noor', 'N.', 'Noor', null, 'El Amrani', null, null, 'E', 'V', '2000-06-22',
  null, null, null, null, null),
 ('1004', '999932561', 'Sanne Hofland', 'Sanne', 'S.', 'Sanne', null, 'Hofland', null, null, 'E', 'V', '1995-07-22',
  'S', '06-99000041', null, 'a-1004', 'huisarts');
insert into contact_person
 (contact_id, patient_id, relation, role, initials, first_name, prefix, surname, phone) values
 ('c1', '1001', 'ECHTG', '1', 'W.', 'Willem', 'van', 'Veldhuizen', '06-99000012'),
 ('c2', '1004', 'PART', '1', 'D.', 'Dirk', null, 'Mulder', '06-99000042');
insert into insurance (policy_id, patient_id, insurer_id, kind, member_number, start_date, end_date) values
 ('v1', '1001', 'verz', 'B', '990012345', '2026-01-01', '2026-12-31'),
 ('v2', '1002', 'verz', 'B', '990012346', '2026-01-01', '2026-12-31');
insert into problem (problem_id, patient_id, kind, snomed, name, state, certainty, start_date, end_date, remark) values
 ('copd', '1001', 'DIA', '13645005', 'COPD', 'A', 'B', '2017', null, 'GOLD 3, groep E.'),
 ('dm2', '1001', 'DIA', '44054006', 'Diabetes mellitus type 2', 'A', 'B', '2014-05', null, null),
 ('benauwd', '1001', 'KLA', '267036007', 'Kortademigheid', 'A', null, '2026-09-30', null, null),
 ('galstenen', '1001', 'DIA', '235919008', 'Galstenen', 'N', 'B', '2023-01-10', '2023-02-20', null),
 ('staar', '1001', 'DIA', '193570009', 'Cataract', 'A', 'W', '2026-08-01', null, null),
 ('pols', '1002', 'DIA', '263102004', 'Fractuur van distale radius', 'A', 'B', '2026-11-02', null, null),
 ('onbekend', '1002', 'COM', null, 'Pijn bij gips', 'A', null, null, null, null);
insert into directive
 (directive_id, patient_id, kind, treatment, treatment_name, permitted, restriction, form, decided_on, verified_with,
  verified_on, remark, representative_id) values
 ('ba1', '1001', 'BA', '305351004', 'Opname op intensive care', 'JM', 'Kort, als herstel te verwachten is.', null,
  '2026-10-07', 'PAT', '2026-10-07', 'Besproken met mevrouw en haar man.', null),
 ('wv1', '1001', 'WV', null, null, null, null, 'VOL', '2026-06-22', null, null, 'Partner beslist mee.', 'c1');
insert into directive_problem values ('wv1', 'copd', '1001', 1);
insert into functional_status
 (status_id, patient_id, kind, snomed, name, value_snomed, value_name, start_date, end_date, remark) values
 ('lopen', '1001', 'F', '282097004', 'vermogen om te lopen', '165245003', 'Loopt zelfstandig', '2026-10-07', null, null),
 ('stemming', '1001', 'M', '85256008', 'stemming', '134416003', 'Normale stemming', '2026-10-07', null, null);
insert into social_history
 (history_id, patient_id, kind, value, start_date, end_date, amount, amount_unit, remark) values
 ('wonen', '1001', 'WOON', 'EENGEZW', '2020-11-22', null, null, null, null),
 ('roken', '1001', 'ROOK', 'EX', '1986', '2017', '15', 'sigaretten per dag', 'Gestopt na de diagnose COPD.'),
 ('alcohol', '1001', 'ALC', 'JA', '1996', null, '3', 'glazen per week', 'Alleen in het weekend.'),
 ('drugs', '1001', 'DRUG', 'NOOIT', '2026-10-07', null, null, null, null);
insert into nutrition_advice (advice_id, patient_id, employee_id, given_at, diet, explanation) values
 ('advies', '1001', 'dietist', '2026-08-22 13:30:00', 'Diabetesdieet', 'Koolhydraten verdelen over de dag.');
insert into alert values
 ('mrsa', '1001', '432415000', 'Drager van MRSA', '2021-11-22', '2022-05-22', null),
 ('latex', '1001', null, 'Latexallergie', '2019-03-01', null, null);
insert into allergy values
 ('penicilline', '1001', 'MED', '764146007', 'Penicilline', 'A', 'E', '2004-11-22', '2004-11-22', null),
 ('noten', '1001', 'VOE', null, 'Hazelnoot', 'A', 'L', null, null, 'Volgens mevrouw.');
insert into allergy_reaction (reaction_id, allergy_id, patient_id, snomed, symptom, severity, description) values
 ('r1', 'penicilline', '1001', '126485001', 'Urticaria', 'E', 'Galbulten, een uur na de eerste tablet'),
 ('r2', 'penicilline', '1001', '41291007', 'Angio-oedeem', 'E', 'Zwelling van het gezicht');
insert into product (product_id, atc, atc_name, name, form, form_name) values
 ('metformine-500', 'A10BA02', 'metformine', 'Metformine 500 mg tablet', '230', 'Tablet'),
 ('tiotropium', 'R03BB04', 'tiotropium', 'Tiotropium 18 microgram inhalatiepoeder', '129', 'Inhalatiepoeder');
insert into prescription
 (prescription_id, patient_id, product_id, treatment_id, prescriber_id, prescribed_at, start_at, problem_id) values
 ('ma-metformine', '1001', 'metformine-500', 'mbh-1', 'internist', '2023-11-22 11:20:00', '2023-11-22 08:00:00', 'dm2'),
 ('ma-tiotropium', '1001', 'tiotropium', 'mbh-2', 'longarts', '2024-03-01 10:00:00', '2024-03-02 08:00:00', 'copd');
insert into administration_agreement
 (agreement_id, patient_id, prescription_id, product_id, treatment_id, dispenser_id, agreed_at, start_at) values
 ('ta-ma-metformine', '1001', 'ma-metformine', 'metformine-500', 'mbh-1', 'apotheker', '2023-11-22 14:05:00',
  '2023-11-22 08:00:00');
insert into medication_use
 (use_id, patient_id, prescription_id, product_id, treatment_id, state, in_use, asserted_at, start_at, as_agreed) values
 ('gebruik-metformine', '1001', 'ma-metformine', 'metformine-500', 'mbh-1', 'A', 'J', '2026-11-10 10:15:00',
  '2023-11-22 08:00:00', 'J');
insert into dosage
 (dosage_id, patient_id, order_id, line, instruction, times_a_day, route, dose, dose_unit) values
 ('d1', '1001', 'ma-metformine', 1, '2 maal per dag 1 tablet, bij de maaltijd', '2', 'O', '1', 'ST'),
 ('d2', '1001', 'ta-ma-metformine', 1, '2 maal per dag 1 tablet, bij de maaltijd', '2', 'O', '1', 'ST'),
 ('d3', '1001', 'gebruik-metformine', 1, '2 maal per dag 1 tablet, bij de maaltijd', null, null, null, null),
 ('d4', '1001', 'ma-tiotropium', 1, '1 maal per dag 1 inhalatie', '1', 'I', '1', 'ST');
insert into device
 (device_id, patient_id, snomed, name, remark, used_from, problem_id, ordered_on, order_state, needed_from,
  orderer_id) values
 ('rollator', '1001', '466289007', 'Rollator', 'Voor buiten lopen.', '2026-07-22', 'benauwd', null, null, null, null),
 ('voorzetkamer', '1001', '464578003', 'Voorzetkamer', null, null, 'copd', '2026-11-15', 'A', '2026-11-29', 'longarts');
insert into vaccination
 (vaccination_id, patient_id, atc, name, given_on, state, given_here, employee_id, part, planned_on) values
 ('griep', '1001', 'J07BB02', 'Griepvaccin', '2026-10-18', 'G', 'J', 'huisarts', 'U', null),
 ('gordelroos', '1001', 'J07BK03', 'Gordelroosvaccin', null, 'P', null, null, null, '2026-12-27');
insert into measurement (measurement_id, patient_id, kind, value, second_value, detail, measured_at, remark) values
 ('rr1', '1001', 'RR', '152', '88', 'ZIT', '2026-02-22 10:20:00', null),
 ('rr2', '1001', 'RR', '138', '82', 'ZIT', '2026-11-10 09:50:00', null),
 ('gew1', '1001', 'GEW', '81.40', null, 'FULL', '2026-02-22 09:35:00', null),
 ('gew2', '1001', 'GEW', '79.0', null, 'MIN', '2026-11-10 09:35:00', null),
 ('len1', '1001', 'LEN', '169', null, 'ST', '2026-02-22 10:15:00', null),
 ('gew3', '1002', 'GEW', '83.5', null, null, '2026-11-02 16:00:00', null);
insert into specimen (specimen_id, patient_id, snomed, name, taken_at, received_at) values
 ('bloed1', '1001', '87612001', 'Bloed', '2026-11-10 08:15:00', '2026-11-10 08:40:00');
insert into lab_result
 (result_id, patient_id, specimen_id, discipline, loinc, name, value, unit, ucum, low, high, flag, state,
  measured_at) values
 ('hba1c', '1001', 'bloed1', 'KC', '59261-8', 'HbA1c', '57', 'mmol/mol', 'mmol/mol', '20', '42', 'H', 'D',
  '2026-11-10 08:15:00'),
 ('kalium', '1001', 'bloed1', 'KC', '2823-3', 'Kalium', '4.10', 'mmol/l', 'mmol/L', '3.5', '5.0', null, 'D',
  '2026-11-10 08:15:00'),
 ('hb', '1001', 'bloed1', 'KC', '59260-0', 'Hemoglobine', '7.9', 'mmol/l', 'mmol/L', '7.5', '10.0', null, 'D',
  '2026-11-10 08:15:00');
insert into operation
 (operation_id, patient_id, snomed, name, surgical, start_date, end_date, employee_id, state, ordered_on, order_state,
  requester_id, remark, problem_id) values
 ('galblaas', '1001', '45595009', 'Laparoscopische cholecystectomie', 'J', '2023-02-20', '2023-02-20', 'chirurg', 'U',
  null, null, null, null, 'galstenen'),
 ('staaroperatie', '1001', '54885007', 'Cataractextractie', 'J', '2026-12-10', '2026-12-10', null, 'A', '2026-11-01',
  'A', 'oogarts', 'Plaatselijke verdoving.', 'staar');
insert into admission
 (admission_id, patient_id, kind, state, start_date, start_time, end_date, end_time, organisation_id, employee_id,
  reason, came_from, went_to) values
 ('opname', '1001', 'K', 'G', '2026-10-06', '03:05:00', '2026-10-13', '11:30:00', 'zkh', 'longarts',
  'Acute longaanval bij COPD', 'THUIS', 'THUIS'),
 ('seh', '1002', 'S', 'G', '2026-11-02', '15:20:00', '2026-11-02', '18:10:00', 'zkh', 'chirurg', 'Val van de fiets',
  'THUIS', 'THUIS'),
 ('poli', '1001', 'P', 'G', '2026-11-10', '09:00:00', '2026-11-10', '09:20:00', 'zkh', 'longarts', 'Controle', null,
  null);
insert into appointment
 (appointment_id, patient_id, state, kind, start_at, end_at, minutes, description, employee_id, location_id) values
 ('oog', '1001', 'G', 'AMB', '2026-12-10 08:15:00', '2026-12-10 10:15:00', 120, 'Staaroperatie rechteroog', 'oogarts',
  'dagcentrum');
insert into document values
 ('brief1', '1001', 'D', '18842-5', 'Ontslagbrief', 'Ontslagbrief longgeneeskunde', '2026-10-14 16:20:00', 'longarts',
  'application/pdf', 'JVBERi0xLjQKJSBpbnZlbnRlZAo=', 20, 'p0DNC/Oqtk1gBYNeehb5JbO1nMA=');
insert into pregnancy values
 ('zw1', '1004', '2026-05-20', null, 'A', '2', '1', '2027-02-24', 'ECHO', '2026-05-20');
insert into pregnancy_visit values
 ('zv1', 'zw1', '1004', '2026-08-12 10:00:00', 'gynaecoloog', '68.5', '118', '72', '148'),
 ('zv2', 'zw1', '1004', '2026-10-21 10:30:00', 'gynaecoloog', '72.0', '122', '76', '144');
