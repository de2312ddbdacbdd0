-- Invented people and invented data. BSNs start with 999 and are in no one's use.
insert into organisation values
 ('zkh', '99000601', 'Ziekenhuis Zandoord', 'V6', '0199-555000', 'Duinlaan', '1', '9998ZA', 'Zandoord'),
 ('hap', '99000602', 'Huisartsenpraktijk De Kreek', 'Z3', '0199-555100', 'Kreekpad', '4', '9998ZC', 'Zandoord'),
 ('apo', '99000603', 'Apotheek Het Anker', 'J8', '0199-555200', 'Havenstraat', '12', '9998ZB', 'Zandoord'),
 ('verz', '99000604', 'Duinzicht Zorgverzekeringen', 'H1', '0199-555300', 'Kustweg', '80', '9998ZE', 'Zandoord');
insert into location values
 ('poli-long', 'zkh', 'Polikliniek Longziekten, route 42', '0199-555042'),
 ('dagcentrum', 'zkh', 'Dagcentrum, route 7', '0199-555007');
insert into employee values
 ('huisarts', 'hap', '99012345602', 'P.J.', 'Pieter', 'van', 'Vliet', '01.015', 'Huisarts'),
 ('longarts', 'zkh', '99012345601', 'M.', 'Margreet', null, 'Wolthuis', '01.022', 'Longarts'),
 ('internist', 'zkh', '99012345603', 'S.', 'Samira', null, 'Bakr', '01.016', 'Internist'),
 ('chirurg', 'zkh', '99012345604', 'T.', 'Thomas', null, 'Hendriksen', '01.014', 'Chirurg'),
 ('oogarts', 'zkh', '99012345605', 'C.A.', 'Carla', null, 'Lindeman', '01.031', 'Oogarts'),
 ('dietist', 'zkh', null, 'A.', 'Anne', null, 'Prins', '89.000', 'Diëtist'),
 ('apotheker', 'apo', '99012345606', 'E.', 'Elif', null, 'Demir', '17.000', 'Apotheker'),
 ('gynaecoloog', 'zkh', '99012345607', 'R.', 'Rosa', 'de', 'Wolf', '01.046', 'Gynaecoloog');
insert into patient values
 ('1001', '999951750', 'Joke van Veldhuizen - Brandsma', 'Johanna Maria', 'J.M.', 'Joke', null, 'Brandsma', 'van',
  'Veldhuizen', 'PE', 'V', '1968-08-22', null, 'G', '06-99000011', 'joke@veldhuizen.example',
  'Kromme Elleboog', '27', '9998ZD', 'Zandoord', 'NL', 'huisarts'),
 ('1002', '999970239', 'Bram Oudejans', 'Abraham', 'A.', 'Bram', null, 'Oudejans', null, null, 'E', 'M', '1992-10-22',
  null, 'O', '06-99000021', null, 'Helmgras', '3', '9998ZF', 'Zandoord', 'NL', 'huisarts'),
 ('1003', '999956838', 'Noor El Amrani', 'Noor', 'N.', 'Noor', null, 'El Amrani', null, null, 'E', 'V', '2000-06-22',
  null, null, null, null, null, null, null, null, null, null),
 ('1004', '999932561', 'Sanne Hofland', 'Sanne', 'S.', 'Sanne', null, 'Hofland', null, null, 'E', 'V', '1995-07-22',
  null, 'S', '06-99000041', null, 'Lindelaan', '9', '9998ZG', 'Zandoord', 'NL', 'huisarts');
insert into contact_person values
 ('c1', '1001', 'ECHTG', '1', 'W.', 'Willem', 'van', 'Veldhuizen', '06-99000012'),
 ('c2', '1004', 'PART', '1', 'D.', 'Dirk', null, 'Mulder', '06-99000042');
insert into insurance values
 ('v1', '1001', 'verz', 'B', '990012345', '2026-01-01', '2026-12-31'),
 ('v2', '1002', 'verz', 'B', '990012346', '2026-01-01', '2026-12-31');
insert into problem values
 ('copd', '1001', 'DIA', '13645005', 'COPD', 'A', 'B', '2017', null, 'GOLD 3, groep E.'),
 ('dm2', '1001', 'DIA', '44054006', 'Diabetes mellitus type 2', 'A', 'B', '2014-05', null, null),
 ('benauwd', '1001', 'KLA', '267036007', 'Kortademigheid', 'A', null, '2026-09-30', null, null),
 ('galstenen', '1001', 'DIA', '235919008', 'Galstenen', 'N', 'B', '2023-01-10', '2023-02-20', null),
 ('staar', '1001', 'DIA', '193570009', 'Cataract', 'A', 'W', '2026-08-01', null, null),
 ('pols', '1002', 'DIA', '263102004', 'Fractuur van distale radius', 'A', 'B', '2026-11-02', null, null),
 ('onbekend', '1002', 'COM', null, 'Pijn bij gips', 'A', null, null, null, null);
insert into directive values
 ('ba1', '1001', 'BA', '305351004', 'Opname op intensive care', 'JM', 'Kort, als herstel te verwachten is.', null,
  '2026-10-07', 'PAT', '2026-10-07', 'Besproken met mevrouw en haar man.', null, null),
 ('wv1', '1001', 'WV', null, null, null, null, 'VOL', '2026-06-22', null, null, 'Partner beslist mee.', 'copd', 'c1');
insert into functional_status values
 ('lopen', '1001', 'F', '282097004', 'vermogen om te lopen', '165245003', 'Loopt zelfstandig', '2026-10-07', null, null),
 ('stemming', '1001', 'M', '85256008', 'stemming', '134416001', 'Normale stemming', '2026-10-07', null, null);
insert into social_history values
 ('wonen', '1001', 'WOON', 'EENGEZW', '2020-11-22', null, null, null),
 ('roken', '1001', 'ROOK', 'EX', '1986', '2017', '15', 'Gestopt na de diagnose COPD.'),
 ('alcohol', '1001', 'ALC', 'JA', '1996', null, '3', 'Alleen in het weekend.'),
 ('drugs', '1001', 'DRUG', 'NOOIT', '2026-10-07', null, null, null);
insert into nutrition_advice values
 ('advies', '1001', 'dietist', '2026-08-22 13:30:00', 'Diabetesdieet', 'Koolhydraten verdelen over de dag.');
insert into alert values
 ('mrsa', '1001', '432415000', 'Drager van MRSA', '2021-11-22', '2022-05-22', null),
 ('latex', '1001', null, 'Latexallergie', '2019-03-01', null, null);
insert into allergy values
 ('penicilline', '1001', 'MED', '764146007', 'Penicilline', 'A', 'E', '2004-11-22', '2004-11-22', null),
 ('noten', '1001', 'VOE', null, 'Hazelnoot', 'A', 'L', null, null, 'Volgens mevrouw.');
insert into allergy_reaction values
 ('r1', 'penicilline', '1001', '126485001', 'Urticaria', 'E', 'Galbulten, een uur na de eerste tablet'),
 ('r2', 'penicilline', '1001', '41291007', 'Angio-oedeem', 'E', 'Zwelling van het gezicht');
insert into product values
 ('metformine-500', 'A10BA02', 'metformine', 'Metformine 500 mg tablet', '230', 'Tablet'),
 ('tiotropium', 'R03BB04', 'tiotropium', 'Tiotropium 18 microgram inhalatiepoeder', '129', 'Inhalatiepoeder');
insert into prescription values
 ('ma-metformine', '1001', 'metformine-500', 'mbh-1', 'internist', '2023-11-22 11:20:00', '2023-11-22 08:00:00', null,
  '2 maal per dag 1 tablet, bij de maaltijd', '2', '1', 'O', 'dm2', 'apotheker', '2023-11-22 14:05:00'),
 ('ma-tiotropium', '1001', 'tiotropium', 'mbh-2', 'longarts', '2024-03-01 10:00:00', '2024-03-02 08:00:00', null,
  '1 maal per dag 1 inhalatie', '1', '1', 'I', 'copd', null, null);
insert into medication_use values
 ('gebruik-metformine', '1001', 'ma-metformine', 'metformine-500', 'mbh-1', 'A', '2026-11-10 10:15:00',
  '2023-11-22 08:00:00', null, 'J', '2 maal per dag 1 tablet, bij de maaltijd');
insert into device values
 ('rollator', '1001', '466289007', 'Rollator', 'Voor buiten lopen.', '2026-07-22', 'benauwd', null, null, null, null),
 ('voorzetkamer', '1001', '464578002', 'Voorzetkamer', null, null, 'copd', '2026-11-15', 'A', '2026-11-29', 'longarts');
insert into vaccination values
 ('griep', '1001', 'J07BB02', 'Griepvaccin', '2026-10-18', 'G', 'huisarts', null),
 ('gordelroos', '1001', 'J07BK03', 'Gordelroosvaccin', null, 'P', null, '2026-12-27');
insert into measurement values
 ('rr1', '1001', 'RR', '152', '88', 'ZIT', '2026-02-22 10:20:00', null),
 ('rr2', '1001', 'RR', '138', '82', 'ZIT', '2026-11-10 09:50:00', null),
 ('gew1', '1001', 'GEW', '81.40', null, 'FULL', '2026-02-22 09:35:00', null),
 ('gew2', '1001', 'GEW', '79.0', null, 'MIN', '2026-11-10 09:35:00', null),
 ('len1', '1001', 'LEN', '169', null, 'ST', '2026-02-22 10:15:00', null),
 ('gew3', '1002', 'GEW', '83.5', null, null, '2026-11-02 16:00:00', null);
insert into specimen values
 ('bloed1', '1001', '87612001', 'Bloed', '2026-11-10 08:15:00', '2026-11-10 08:40:00');
insert into lab_result values
 ('hba1c', '1001', 'bloed1', '59261-8', 'HbA1c', '57', 'mmol/mol', 'mmol/mol', '20', '42', 'H', 'D',
  '2026-11-10 08:15:00', null),
 ('kalium', '1001', 'bloed1', '2823-3', 'Kalium', '4.10', 'mmol/l', 'mmol/L', '3.5', '5.0', null, 'D',
  '2026-11-10 08:15:00', null),
 ('hb', '1001', 'bloed1', '59260-0', 'Hemoglobine', '7.9', 'mmol/l', 'mmol/L', '7.5', '10.0', null, 'D',
  '2026-11-10 08:15:00', null);
insert into operation values
 ('galblaas', '1001', '45595009', 'Laparoscopische cholecystectomie', 'J', '2023-02-20', '2023-02-20', 'chirurg', 'U',
  null, null, 'galstenen'),
 ('staaroperatie', '1001', '54885007', 'Cataractextractie', 'J', '2026-12-10', '2026-12-10', 'oogarts', 'A',
  '2026-11-01', 'Plaatselijke verdoving.', 'staar');
insert into admission values
 ('opname', '1001', 'K', 'G', '2026-10-06 03:05:00', '2026-10-13 11:30:00', 'longarts', 'Acute longaanval bij COPD',
  'THUIS', 'THUIS'),
 ('seh', '1002', 'S', 'G', '2026-11-02 15:20:00', '2026-11-02 18:10:00', 'chirurg', 'Val van de fiets', 'THUIS', 'THUIS'),
 ('poli', '1001', 'P', 'G', '2026-11-10 09:00:00', '2026-11-10 09:20:00', 'longarts', 'Controle', null, null);
insert into appointment values
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
