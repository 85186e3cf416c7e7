/** What a run is asked for: the values of a form, with the picture and the painted masks. */

import { type Upload, type Values, Refused, api } from "./api";
import type { Brushes } from "./brush";
import type { Expander } from "./expand";
import { type Form, fieldOf } from "./form";

const upload = async (file: File): Promise<string> => (await api.upload([file])).id;

/** Masks are uploaded on the way; what is missing is said in a sentence. */
export async function requestOf(form: Form, source: Upload | null, brushes: Brushes, expander: Expander): Promise<Values> {
  const { mode } = form;
  const values = form.values();
  if (source) values.image = source.id;
  else if (!(mode.key === "vectorize" && values.prompt)) throw new Refused("Choose a picture first.");
  const painted = (otherwise: string) => {
    if (brushes.mask.empty) throw new Refused(otherwise);
  };
  if (mode.key === "inpaint") await addColors(values, form, brushes, expander);
  else if (mode.key === "remove") {
    painted("Paint over what shall go.");
    values.mask_image = [await upload(await brushes.whole("remove"))];
  } else if (mode.key === "edit" && form.limit.checked) {
    painted("Paint over what may change, or switch that off.");
    values.mask_image = await upload(await brushes.whole("edit"));
  } else if (mode.key === "restore" && form.degradation?.scratched) {
    painted("Paint over the scratches.");
    const file = await brushes.whole("scratches");
    values.operator = String(values.operator).replace(/mask\([^)]*\)/, `mask(${file.name})`);
    values.operator_files = [await upload(file)];
  }
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== null && fieldOf(mode, name)));
}

/** A mask and a prompt for each color. */
async function addColors(values: Values, form: Form, brushes: Brushes, expander: Expander): Promise<void> {
  values.expand = expander.value;
  if (brushes.mask.empty && !values.expand) throw new Refused("Paint over what shall change, or drag an edge of the picture outward.");
  const layers = await brushes.files();
  const said = (color: number) => form.colors[color] || form.colors[0];
  const prompts = layers.length ? layers.map(({ color }) => said(color)) : [said(0)];
  if (!prompts.every(Boolean)) throw new Refused("Say what the whole picture should show in the end.", "prompt");
  // new canvas is painted with a prompt of its own where there are several
  if (values.expand && prompts.length > 1) prompts.push(prompts.at(-1)!);
  values.prompt = prompts;
  values.mask_image = await Promise.all(layers.map(({ file }) => upload(file)));
}
