/** Semantic fields of trades; see `PEOPLE_FIELDS` for how they are written. */
export const TRADE_FIELDS: Readonly<Record<string, string>> = {
  health: `patient doctor physician nurse nursing hospital clinic ward medical medicine medication treatment treat diagnosis surgery
    symptom dose illness disease pain therapy pharmacy blood health healthy consent emergency prescription vital pulse fever infection
    hygiene wound chart handover pill tablet diabetes recovery bedside allergy`,
  education: `teacher teach pupil student class classroom lesson school curriculum exam homework grade parents child children kids learn
    lecture attention game curiosity textbook noisy discipline seminar worksheet motivate participate activity interest engage quiz group
    exercise noise quiet rules rule break desk seat reason maths behaviour behavior disturb disturbance talk interrupt consequence bored
    praise patience colleague headteacher detention ring_home pupils`,
  care: `child children elderly resident care caring disability carer support daily needs dignity comfort wellbeing kindergarten
    social_worker family trust safeguarding dementia toddler baby crying cry nap toy song sing parents mother father hug nursery
    quiet calm distract play`,
  law: `law legal lawyer contract court clause regulation compliance gdpr regulator policy licence license audit liability evidence judge
    litigation sue debt claim notice`,
  money: `money budget cost expense finance financial invoice pay payment unpaid funding accounting tax save saving spend
    expensive cheap cheaper price afford profit margin cash accountant ledger audit payroll bank loan interest balance_sheet forecast
    statement revenue debt depreciation overdue reminder due instalment installment collection agency debtor creditor lawyer court
    creditworthy outstanding bill dunning account client`,
  marketing: `marketing brand campaign advert advertising social_media audience content seo click conversion newsletter segment launch
    influencer reach engagement budget positioning target_group channel slogan survey competitor`,
  logistics: `logistics warehouse stock inventory shipment freight supplier supply_chain delivery parcel pallet depot ship truck deliver
    supply customs route driver carrier container forklift lead_time shelf shortage scan scanner goods count counted counting incoming
    outgoing ramp location locations bin barcode pick picker aisle accurate accuracy system returns damaged article expiry order bankrupt
    deposit in_advance late on_time alternative second_source material partner vendor ordered`,
  manufacturing: `factory production line machine shift plant assembly defect quality lean maintenance technician operator scrap
    tolerance inspection spare_part downtime tool batch output`,
  safety: `safety safe unsafe hazard danger dangerous accident injury injured protective helmet glove emergency evacuate inspection risk
    incident near_miss regulation alarm first_aid fire drill rule stop site scaffold toolbox briefing vest boots harness fence sign
    barrier checklist check instruct instruction instructions train training new_worker hazardous report stop_work weather edge fall
    crane lift tidy dry wear responsible officer inspect`,
  hospitality: `hotel restaurant guest waiter kitchen chef cook reservation booking room table menu reception lobby bar dish tip food
    event wedding`,
  environment: `environment environmental climate sustainable sustainability carbon emission energy recycle waste renewable solar nature
    pollution plastic footprint`,
  publicService: `city council citizen public permit government ministry library community volunteer charity donor nonprofit
    neighbourhood neighborhood fundraise grant museum`,
  media: `article journalist editor newspaper story video film camera photo audience publish podcast write writer draft interview source
    headline deadline`,
  construction: `building build site construction architect engineer concrete bridge contractor permit crane foundation plumber
    electrician renovation roof survey scaffold tender foreman site_manager safety scaffolding subcontractor brick steel excavator
    drawing schedule weather load`,
};
