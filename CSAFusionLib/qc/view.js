"use strict";
// Everything a file name or a warning may say goes into the page as text, never as markup.
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const canvas = byId("canvas");
  const OFF = 2;

  byId("title").textContent = "View of " + data.name;
  document.title = "View " + data.name;
  for (const id of ["notice", "verdict", "size", "licence"]) byId(id).textContent = data[id];
  for (const note of data.notes) {
    const item = document.createElement("li");
    item.textContent = note;
    byId("notes").append(item);
  }
  for (const one of data.volumes) {
    byId("below").append(new Option(one.title, one.role));
    // niivue lets what lies below shine through a dark colour, at any opacity.
    if (!one.inColour) byId("above").append(new Option(one.title, one.role));
  }
  byId("colour").hidden = !data.volumes.some((one) => one.inColour);
  const isColour = (role) => data.volumes.some((one) => one.role === role && one.inColour);
  const has = (role) => data.volumes.some((one) => one.role === role);
  byId("below").value = has("fixed") ? "fixed" : "fused";
  byId("above").value = has("fixed") && !isColour("registered") ? "registered" : "";

  const say = (text) => { byId("message").textContent = text; };
  if (!document.createElement("canvas").getContext("webgl2")) {
    say("This browser shows no 3-D here (WebGL 2 is missing or turned off); open the file in another.");
    return;
  }

  const viewer = new niivue.Niivue({
    backColor: [0, 0, 0, 1],
    clipPlaneColor: [0, 0, 0, 0],
    crosshairWidthUnit: "percent",
    crosshairWidth: 0.4,
    dragAndDropEnabled: false,
    isRadiologicalConvention: true,
    sagittalNoseLeft: true,
    logLevel: "error",
    multiplanarShowRender: niivue.SHOW_RENDER.ALWAYS,
    multiplanarLayout: niivue.MULTIPLANAR_TYPE.GRID,
  });
  await viewer.attachToCanvas(canvas);
  const images = {};
  for (const one of data.volumes) {
    images[one.role] = await niivue.NVImage.loadFromBase64({
      base64: one.nifti, name: one.role + ".nii.gz", colormap: "gray", cal_min: 0, cal_max: 255,
    });
    images[one.role].inColour = one.inColour;
  }

  const opacity = () => Number(byId("opacity").value) / 100;

  function choose() {
    const below = images[byId("below").value], above = images[byId("above").value];
    for (const shown of [...viewer.volumes].reverse()) viewer.removeVolume(shown);
    below.opacity = 1;
    if (!below.inColour) below.colormap = "gray";
    viewer.addVolume(below);
    const hasAbove = Boolean(above) && above !== below;
    if (hasAbove) {
      above.opacity = opacity();
      above.colormap = byId("warm").checked ? "warm" : "gray";
      viewer.addVolume(above);
    }
    byId("opacity").disabled = !hasAbove;
    byId("warm").disabled = !hasAbove;
    viewer.updateGLVolume();
    report();
  }

  function arrange() {
    const kinds = niivue.SLICE_TYPE;
    viewer.setSliceType({
      all: kinds.MULTIPLANAR, axial: kinds.AXIAL, coronal: kinds.CORONAL, sagittal: kinds.SAGITTAL, render: kinds.RENDER,
    }[byId("layout").value]);
    report();
  }

  // Seen from where the 3-D view starts.
  function cut() {
    const share = Number(byId("cut").value) / 100;
    viewer.setClipPlane([share === 0 ? OFF : 0.5 - share, viewer.scene.renderAzimuth + 180, viewer.scene.renderElevation]);
    report();
  }

  function report() {
    canvas.dataset.shown = viewer.volumes.map((one) => one.name.replace(".nii.gz", "")).join(" under ");
    canvas.dataset.layout = byId("layout").value;
  }

  for (const id of ["below", "above", "warm"]) byId(id).addEventListener("change", choose);
  byId("layout").addEventListener("change", arrange);
  byId("cut").addEventListener("input", cut);
  byId("opacity").addEventListener("input", () => viewer.setOpacity(1, opacity()));
  arrange();
  choose();
})().catch((error) => {
  document.getElementById("message").textContent = "The volumes cannot be shown: " + error.message;
});
