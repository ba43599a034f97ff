/** Gore and instructions to harm, hatred of peoples, and methods of self-harm. */
import { compilePhrases } from './phrase.ts';

const GORE_PHRASES = `
  gore|gory|guro
  snuff film|video|movie
  disembowel|disemboweled|disembowelled|disemboweling|disembowelment
  eviscerate|eviscerated|eviscerating|evisceration
  dismember|dismembered|dismembering|dismemberment
  decapitate|decapitated|decapitating|decapitation|beheaded|beheading
  severed head|limb|arm|leg|hand|finger|foot
  mutilated|mutilating|mutilation
  entrails|viscera
  intestine|intestines|guts|organs|brains spilling|hanging|everywhere|exposed
  exploding head|heads
  head|skull exploding|smashed|crushed
  torture porn|victim
  skinned|flayed|burned|burning|burnt alive
  mangled|rotting|decomposing|bloated corpse|body|bodies
  pile of corpses|bodies
  pile of dead|mutilated bodies
  dead|murdered child|children|baby|toddler|kid
  cannibal|cannibals eating
  school|mass shooting
  shooting up a|the school|church|mosque|synagogue
  execution|beheading|lynching video|photo|scene
`;
const HARM_INSTRUCTIONS = `
  how to make|build|assemble|construct|create bomb|bombs|explosives|ied|napalm|thermite
  how to make|build|assemble|construct|create a|an bomb|explosive|ied
  how to make|build|assemble|construct|create a|an pipe|nail|dirty|fertilizer|car|suicide bomb
  make|build|making|building a|an pipe|nail|dirty|fertilizer|car|suicide bomb
  make|making|synthesize|synthesise|produce|cook|cooking sarin|ricin|vx|anthrax|novichok|tabun
  make|making|synthesize|synthesise|produce mustard|nerve|chlorine gas|agent
  make|making|cook|cooking|synthesize|synthesise meth|methamphetamine|fentanyl|heroin
  how to poison|kill|murder|strangle|stab someone|people|him|her|them|children
  how to poison|kill|murder|strangle|stab my|your|a wife|husband|girlfriend|boyfriend|boss|neighbor
  how to poison|kill|murder|strangle|stab my|your|a neighbour|parents|mother|father|person|human
  plan|planning|commit a|the mass|school|terrorist|terror shooting|attack
  carry out a|the mass|school|terrorist|terror shooting|attack
  bomb|attack|burn a|the church|mosque|synagogue|temple
  join isis
`;
const HATE_PHRASES = `
  nigger|kike|faggot|tranny|towelhead|raghead|sandnigger|wetback|beaner|gook|zipperhead
  jigaboo|chink|spic|paki|darkie|shitskin
  porch monkey
  heil hitler
  sieg heil
  white power
  white pride worldwide
  gas the jews|muslims|gays
  kill|exterminate|hang|lynch|deport|burn all jews|muslims|blacks|gays|christians|immigrants|women
  kill|exterminate|hang|lynch|burn all trans|black|white|brown|jewish|gay people
  death to all|the jews|muslims|blacks|gays|christians|whites|immigrants
  death to jews|muslims|blacks|gays|christians|whites|immigrants
  jews will not replace
  race war now
  jews|muslims|blacks|immigrants|gays|arabs are subhuman|vermin|animals|rats|cockroaches|parasites
  holocaust hoax
  holocaust was|is a hoax|lie
  holocaust never|didnt happened|happen
`;
const SELF_HARM_PHRASES = `
  how to|do|can|could i|one kill myself|oneself
  how to|do|can|could i|one commit suicide
  how to kill myself|yourself|oneself
  how to commit suicide
  how to hang myself|yourself
  how to overdose on
  how to cut|harm|hurt myself|yourself
  way|ways to kill myself|yourself|oneself
  way|ways to commit suicide
  painless|easiest|quickest suicide|death
  painless|easiest|quickest|fastest|best|easy|quick way|ways to die
  painless|easiest|quickest|fastest|best|easy|quick way|ways to end my|your life
  suicide method|instructions|tutorial|guide|pact
  how many|much pills|tylenol|paracetamol to die|overdose
  you should kill yourself|urself
  go kill yourself|urself
  write|draft|compose a|my|me suicide note
  write|draft|compose me a suicide note
  slit|slits|slitting|slashed|slashing|cut|cutting|cuts my|her|his|their|your wrist|wrists
  slit|slashed|cut wrist
  hanging himself|herself|myself|themselves from
  self harm cuts|cutting|wounds|tutorial
  selfharm cuts|cutting|wounds|tutorial
  pro ana|mia
  proana|promia|thinspo|thinspiration
`;

/** What no picture or clip may show. */
export const GORE = compilePhrases(GORE_PHRASES);
/** How to hurt others. */
export const INSTRUCTIONS = compilePhrases(HARM_INSTRUCTIONS);
export const HATE = compilePhrases(HATE_PHRASES);
/** How to hurt oneself, or being told to; not that somebody is in despair. */
export const SELF_HARM = compilePhrases(SELF_HARM_PHRASES);
