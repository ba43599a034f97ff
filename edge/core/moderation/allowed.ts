/** Phrases whose words mean something else here: what they cover is not looked at any more. */
import { compilePhrases } from './phrase.ts';

const COLOURS = `
  nude|naked lipstick|lip|lips|lipgloss|gloss|makeup|eyeshadow|foundation|nail|nails|polish|manicure
  nude|naked color|colored|colour|coloured|shade|tone|toned|palette|hue|beige|pink|brown|background
  nude|naked heel|pump|shoe|sandal|tights|pantyhose|leather|fabric|satin|dress|gown|bag|handbag
  nude|naked _ lipstick|nails|heels|makeup|palette
  baby blue|pink|doll|yellow|bottle|grand|shark|yoda|driver|spice|oil|powder|carrot|corn|spinach
  flesh|skin color|colored|colour|coloured|tone
`;
const NATURE = `
  naked eye|mole|flame|singularity|tree|branch|branches|bulb|truth|cake|neck|ape|chef|oats|wine
  naked mountain|rock|wall|wire|blade|sword|steel|light|statement|gun|cat|sphynx|ambition
  naked and afraid
  topless bus|car|jeep|convertible|tower|mountain|tree
  great|blue|coal|marsh|willow|crested|bearded tits
  pussy willow|cat|riot|foot
  horny toad|lizard|devil|goat
  pipe|grease|bottle|feeding|hose nipple
  rape seed|field|blossom|flower|oil
  wire|paint|cable|wax|floor stripper
  boob tube
  white power button|supply|outlet|cable|bank|cord|socket|plug|tool|adapter|station|line|lines
  orgy of colour|color|colours|colors|light|sound
  threesome of friends|kittens|puppies|golfers
`;
const TITLES = `
  sex and the city
  sex pistols
  sex on the beach
  sex education
  moby|dick dick
  dick tracy|van|whittington|grayson
  cum laude
  magna|summa cum laude
  _ cum hardy
  suicide squad
  suicide prevention|hotline|awareness
  how to get away with murder
  to kill a mockingbird
  al gore
  gore tex|vidal
  judith beheading|beheads|decapitating
  beheading|decapitation of saint|st|john|holofernes|goliath
  severed head of medusa|holofernes|goliath
  burning|burned alive band|festival
  school shooting hoops|star|stars|range
  lolita fashion|dress|style|shoes
  gothic|classic|sweet|punk lolita
  naked lunch
  nude descending a staircase
`;
const TALK = `
  food|earth|car|space|architecture|cabin|tool|map|data porn
  porn addiction|addict|ban|block|blocker|blocking|filter|industry|recovery
  anti|revenge|quit|quitting porn
  stop|avoid|block watching porn
  pornography addiction|law|laws|ban
  sexually transmitted
  sexual health|education|orientation|harassment|wellness|selection|dimorphism|reproduction
  chink|chinks in
  chink of light
  spic and span
  faggots and peas|gravy|mash
  tranny fluid|cooler|shop|mount
  kid friendly|rock|cudi|a
`;

export const ALLOWED = compilePhrases(COLOURS, NATURE, TITLES, TALK);
