/** Which layers make up which scene, in the order they are painted, the farthest first. */
import { paintComposition, paintGround } from './abstract.ts';
import { paintCity, paintLamps } from './city.ts';
import {
  paintBalloons,
  paintBirds,
  paintCat,
  paintDog,
  paintPerson,
  paintWhale,
} from './figures.ts';
import { paintForest, paintGrass } from './forest.ts';
import { paintBokeh, paintFlowers, paintMeadow } from './garden.ts';
import { paintDunes, paintHills, paintRidges } from './land.ts';
import { paintPortrait } from './portrait.ts';
import type { Figure } from './prompt.ts';
import {
  paintAurora,
  paintClouds,
  paintCrater,
  paintLightning,
  paintMist,
  paintRainbow,
  paintSky,
  paintStars,
  paintSun,
  paintWeather,
} from './sky.ts';
import { paintNebula, paintPlanets, paintStarField } from './space.ts';
import type { Layer, Stage } from './stage.ts';
import {
  paintBoat,
  paintCactus,
  paintHouse,
  paintLighthouse,
  paintPyramids,
  paintShip,
} from './things.ts';
import { paintPalms, paintTree } from './trees.ts';
import { paintWater } from './water.ts';

type Paint = (stage: Stage) => void;

/** Always there. */
const base = (paint: Paint): Layer => ({ detail: 0, fine: false, paint });
/** Left out of pictures with few steps. */
const extra = (detail: number, paint: Paint): Layer => ({ detail, fine: false, paint });
/** Drawn last, with a pointed brush. */
const fine = (detail: number, paint: Paint): Layer => ({ detail, fine: true, paint });
const when = (shown: boolean, ...layers: readonly Layer[]): readonly Layer[] =>
  shown ? layers : [];

function skyOf({ plan, palette }: Stage): Layer[] {
  const { figures, weather } = plan;
  const clear = weather === 'clear' || weather === 'fog';
  const starry = clear && (palette.hour === 'night' || figures.has('stars'));
  return [
    base(paintSky),
    ...when(figures.has('aurora'), base(paintAurora)),
    base(paintSun),
    extra(0.35, paintClouds),
    ...when(figures.has('rainbow'), base(paintRainbow)),
    ...when(starry, fine(0.3, paintStars)),
  ];
}

/** Figures a prompt names that stand on land or fly. */
function figuresOf({ plan }: Stage): Layer[] {
  const has = (figure: Figure): boolean => plan.figures.has(figure);
  return [
    ...when(has('house'), base(paintHouse)),
    ...when(has('tree') || plan.words.has('sakura') || plan.words.has('cherry'), base(paintTree)),
    ...when(has('balloon'), base(paintBalloons)),
    ...when(has('person'), base(paintPerson)),
    ...when(has('cat'), base(paintCat)),
    ...when(has('dog'), base(paintDog)),
  ];
}

function finishOf({ plan, palette, rng }: Stage): Layer[] {
  const birds = plan.figures.has('bird') || (palette.hour !== 'night' && rng('birds?')() < 0.5);
  return [
    ...when(
      birds && plan.weather !== 'storm',
      fine(plan.figures.has('bird') ? 0 : 0.6, paintBirds),
    ),
    ...when(plan.weather === 'storm', fine(0.2, paintLightning)),
    fine(0.4, paintWeather),
  ];
}

function landOf(stage: Stage): readonly Layer[] {
  const { plan } = stage;
  const has = (figure: Figure): boolean => plan.figures.has(figure);
  const mist = extra(0.5, paintMist);
  switch (plan.scene) {
    case 'mountains':
      return [base(paintRidges), mist, ...when(plan.words.has('volcano'), base(paintCrater))];
    case 'lake':
      return [
        base(paintRidges),
        base(paintWater),
        mist,
        ...when(has('boat'), base(paintBoat)),
        fine(0.7, paintGrass),
      ];
    case 'sea':
      return [
        base(paintWater),
        ...when(has('lighthouse'), base(paintLighthouse)),
        ...when(has('ship'), base(paintShip)),
        ...when(has('whale'), base(paintWhale)),
        ...when(has('boat') && !has('ship'), base(paintBoat)),
        ...when(has('palm'), base(paintPalms)),
      ];
    case 'forest':
      return [mist, base(paintForest), fine(0.7, paintGrass)];
    case 'desert':
      return [
        ...when(has('pyramid'), base(paintPyramids)),
        base(paintDunes),
        ...when(has('cactus'), base(paintCactus)),
        ...when(has('palm'), base(paintPalms)),
      ];
    case 'city':
      return [base(paintCity), extra(0.3, paintLamps), base(paintWater)];
    case 'flowers':
      return [base(paintMeadow), extra(0.3, paintBokeh), base(paintFlowers)];
    case 'hills':
      return [base(paintHills), ...when(plan.weather === 'fog', mist), fine(0.7, paintGrass)];
    case 'space':
    case 'portrait':
    case 'abstract':
      return [];
  }
}

/** The layers of a scene. */
export function layersOf(stage: Stage): readonly Layer[] {
  switch (stage.plan.scene) {
    case 'space':
      return [base(paintNebula), base(paintPlanets), fine(0.2, paintStarField)];
    case 'portrait':
      return [base(paintGround), base(paintPortrait)];
    case 'abstract':
      return [base(paintGround), base(paintComposition), ...figuresOf(stage)];
    case 'mountains':
    case 'lake':
    case 'sea':
    case 'forest':
    case 'city':
    case 'desert':
    case 'flowers':
    case 'hills':
      return [...skyOf(stage), ...landOf(stage), ...figuresOf(stage), ...finishOf(stage)];
  }
}
