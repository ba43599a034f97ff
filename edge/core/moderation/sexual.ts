/**
 * Sexual content: what a picture must not show, what words must not tell, and what is only
 * suggestive: that is no ground by itself, but is beside a minor.
 */
import { compilePhrases } from './phrase.ts';

const ACTS = `
  blowjob|blowjobs|handjob|footjob|titjob|titfuck|rimjob|deepthroat|facefuck
  cunnilingus|fellatio|gangbang|gangbanged|bukkake|creampie|creampied|cumshot|cumming
  cum on|in|inside|covered|dripping|swallow
  ejaculate|ejaculating|ejaculation|orgasm|orgasming
  masturbate|masturbates|masturbating|masturbation|jerking|jerk off
  oral|anal|group|rough|explicit|hardcore|lesbian|gay sex
  anal plug|bead|fisting|penetration|creampie
  sex scene|act|position|doll|toy|tape|slave|party|dungeon|cam
  sexual|erotic intercourse|act|acts|position|pose|penetration|roleplay|fantasy|fantasies|scene
  sexually explicit|aroused
  vaginal|double|graphic penetration
  fucking|fucks|fuck|fucked her|him|me|them|pussy|ass|hard
  getting|being|gets fucked|raped|railed
  rape|raped|raping|rapist|molest|molested|molesting|molestation
  incest|incestuous|bestiality|zoophilia|necrophilia
  hentai|ahegao|futanari|futa|yiff|porn|porno|pornographic|pornography|pornhub|pornstar
  rule34|rule 34
  xxx video|movie|picture|photo|rated|scene
  smut|smutty|nsfw
`;
const NUDITY = `
  nude|nudity|nudist|naked|nakedness|topless|unclothed|undressed|undressing|nudify|deepnude
  undress her|him|them|me|this|the
  remove|removed|removing|take|takes|taking off|her|his|their clothes|clothing|shirt|bra|dress|top
  remove|take her|his|their clothes|clothing|bra|dress off
  no|without clothes|clothing|bra|panties|underwear
  without any|a|her|his clothes|clothing|bra|panties|underwear
  wearing nothing but
  wearing no clothes|clothing|bra|panties|underwear
  wearing only a smile|hat|towel
  bare|exposed|naked|huge|big|large|perky|bouncing breasts|tits|boobs|ass|butt|pussy|nipples
  breasts|boobs|tits|genitals|nipples out|exposed|visible|bare|showing
  nipple|areola|areolae|boob|boobs|tits|titties|titty
  penis|vagina|vulva|clitoris|clit|labia|scrotum|testicles|genital|genitalia|pussy|pussies|cunt
  big|huge|hard|erect|throbbing|his|thick cock|dick
  cock|dick pic|sucking|sucker
  cocksucker|cocksucking|dildo|vibrator|buttplug|strapon|fleshlight
  spread legs|pussy
  legs spread
  cameltoe|upskirt|downblouse|sideboob|underboob
  camel toe
  see through dress|shirt|top|blouse|lingerie|clothes|bikini|panties
  transparent dress|shirt|top|blouse|lingerie|clothes|panties
  striptease|stripper|strippers|lapdance|pornstar|onlyfans|playmate|milf|milfs
  strip tease|club
  slut|slutty|whore|horny|bdsm|dominatrix
  orgy|threesome|foursome
  erotic|erotica|eroticism|erotically|sexual|sexually
`;
const TALK = `
  erotica|smut|hentai|ahegao|porn|porno|pornographic|pornhub|blowjob|blowjobs|handjob|rimjob
  gangbang|bukkake|creampie|cumshot|deepthroat|rule34|futanari
  rule 34
  erotic|sexual|steamy|nsfw|dirty|sex story|stories|fiction|roleplay|fantasy|fantasies|scene|chat
  erotic|explicit|graphic|hardcore|steamy sex|scene
  sexually explicit
  talk dirty|filthy to
  dirty talk
  describe|write|narrate|about having|rough|hot|wild|graphic|anal|oral sex
  send|show|sending|trade nudes
  dick pic|pics
  sexting|sext
  fuck|fucks|fucked|fucking her|his|my|your pussy|ass|cunt|holes|throat
  suck|sucks|sucking|ride|rides|riding my|his|your dick|cock
  wet|tight|dripping pussy|cunt
`;
const HINTS = `
  sexy|sexual|sexually|sexualized|sexualised|seductive|seductively|sensual|lewd|lewds|kinky|fetish
  lingerie|panties|panty|underwear|undies|thong|bikini|microbikini|cleavage|provocative|garter
  busty|slutty|horny|twerk|twerking|sex|bra|nightie|negligee
  g string
  see through
  bedroom eyes
`;
const TALK_HINTS = `
  erotic|erotica|porn|porno|pornographic|lewd|nsfw|smut|seductive|sexy|horny|kinky|hentai
  nude|naked picture|photo|pic|image|selfie|drawing|video
  sexual story|stories|scene|fantasy|roleplay|content|act|acts|encounter|position
  sex scene|story|stories|tape|slave
`;

/** What no picture or clip may show. */
export const SEXUAL_PICTURE = compilePhrases(ACTS, NUDITY);
/** What no text, speech or song may tell. */
export const SEXUAL_WORDS = compilePhrases(TALK);
/** Only beside a minor: in a picture, in words. */
export const HINTS_PICTURE = compilePhrases(HINTS);
export const HINTS_WORDS = compilePhrases(TALK_HINTS);
