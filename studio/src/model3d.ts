/** A mesh that can be turned; loaded only when there is one. */

import * as three from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

/** Show a GLB file in an element; returns what ends it. */
export async function showModel(host: HTMLElement, url: string): Promise<() => void> {
  const gltf = await new GLTFLoader().loadAsync(url);
  const renderer = new three.WebGLRenderer({ antialias: true, alpha: true });
  const scene = new three.Scene();
  const camera = new three.PerspectiveCamera(40, 1, 0.01, 1000);
  scene.add(gltf.scene);
  const sphere = new three.Box3().setFromObject(gltf.scene).getBoundingSphere(new three.Sphere());
  const far = (sphere.radius || 1) / Math.sin((20 * Math.PI) / 180);
  camera.near = far / 100;
  camera.far = far * 10;
  camera.position.copy(sphere.center).add(new three.Vector3(0.5, 0.35, 0.8).normalize().multiplyScalar(far));
  const { domElement } = renderer;
  domElement.tabIndex = 0;
  domElement.setAttribute("role", "img");
  domElement.setAttribute("aria-label", "The model: drag or use the arrow keys to turn it");
  host.replaceChildren(domElement);

  const controls = new OrbitControls(camera, domElement);
  controls.target.copy(sphere.center);
  controls.update();
  let due = 0;
  const draw = () => {
    due ||= requestAnimationFrame(() => {
      due = 0;
      renderer.render(scene, camera);
    });
  };
  controls.addEventListener("change", draw);
  domElement.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const place = new three.Spherical().setFromVector3(camera.position.clone().sub(sphere.center));
    place.theta += 0.12 * way[0];
    place.phi += 0.12 * way[1];
    camera.position.setFromSpherical(place.makeSafe()).add(sphere.center);
    controls.update();
    draw();
  });
  const observer = new ResizeObserver(() => {
    const { clientWidth, clientHeight } = host;
    renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    renderer.setSize(clientWidth, clientHeight, false);
    camera.aspect = clientWidth / Math.max(clientHeight, 1);
    camera.updateProjectionMatrix();
    draw();
  });
  observer.observe(host);
  return () => {
    observer.disconnect();
    controls.dispose();
    renderer.dispose();
    domElement.remove();
  };
}
