-- Invented persons: their numbers are those of the demo world.
insert into patient values (1, '999948131', 'Lieke Zondag', 'Zondag', 'Lieke', 'V', '1998-07-30');
insert into patient values (2, '999925064', 'Omar Bouzid', 'Bouzid', 'Omar', 'M', '1989-06-30');
insert into dentist values (10, 'Femke Overgaauw', 'Overgaauw', 'Femke', '99120011');
insert into insurance values (20, 1, 'Duinzicht Zorgverzekeringen', '9977', 'AT', '990012399', '2026-01-01', '2026-12-31');
insert into visit values (30, 1, 10, '2026-09-01 10:30:00', '2026-09-01 11:15:00', 'K', 'Halfjaarlijkse controle');
insert into visit values (31, 1, 10, '2027-01-11 08:45:00', '2027-01-11 09:30:00', 'P', 'Vulling vernieuwen');
insert into visit values (32, 2, 10, '2026-06-04 13:00:00', '2026-06-04 13:20:00', 'K', 'Halfjaarlijkse controle');
insert into finding values (40, 1, 10, 'CARIES', 'L', null, '2026-09-01 10:45:00');
insert into finding values (41, 1, 10, 'HYGIENE', 'S', null, '2026-09-01 10:55:00');
insert into finding values (42, 1, 10, 'PARA', null, 'Knarst in de nacht', '2026-09-01 11:00:00');
insert into finding values (43, 1, 10, 'PPS', '2', null, '2026-09-01 11:05:00');
insert into finding values (44, 1, 10, 'ASA', '1', null, '2026-09-01 10:40:00');
insert into finding values (45, 2, 10, 'CARIES', 'V', null, '2026-06-04 13:10:00');
insert into treatment values (50, 1, 10, 'X10', 'Maken en beoordelen kleine röntgenfoto', '2026-09-01');
insert into plan values (60, 1, 'De vulling rechtsboven vernieuwen', 'J');
