// A brush and an eraser: what is painted over the picture becomes a mask, white where edits may act.

const FINEST = 1024; // pixels of the longer side of a mask

export class Brush {
  #canvas;
  #last = null; // where the pointer was
  width = 0.08; // in shares of the longer side
  erasing = false;

  constructor(canvas) {
    this.#canvas = canvas;
    canvas.onpointerdown = (event) => {
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      this.#last = this.#at(event);
      this.#stroke(event);
    };
    canvas.onpointermove = (event) => this.#last && this.#stroke(event);
    canvas.onpointerup = canvas.onpointercancel = () => { this.#last = null; };
  }

  get painting() {
    return !this.#canvas.hidden;
  }

  begin({ left, top, scale, width, height }) { // the place of the picture, as frame() tells it
    const fine = Math.min(1, FINEST / Math.max(width, height));
    this.#canvas.width = Math.max(1, Math.round(fine * width));
    this.#canvas.height = Math.max(1, Math.round(fine * height));
    this.place({ left, top, scale, width, height });
    this.#canvas.hidden = false;
    this.erasing = false;
  }

  place({ left, top, scale, width, height }) {
    Object.assign(this.#canvas.style, { left: `${left}px`, top: `${top}px`,
      width: `${scale * width}px`, height: `${scale * height}px` });
  }

  async end() { // returns the mask as PNG; null if nothing is painted
    this.#canvas.hidden = true;
    const pen = this.#canvas.getContext("2d");
    const { data } = pen.getImageData(0, 0, this.#canvas.width, this.#canvas.height);
    if (!data.some((value) => value)) return null;
    pen.globalCompositeOperation = "destination-over";
    pen.fillStyle = "black";
    pen.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    return new Promise((done) => this.#canvas.toBlob(done, "image/png"));
  }

  #at(event) {
    const rect = this.#canvas.getBoundingClientRect();
    return [(event.clientX - rect.left) * this.#canvas.width / rect.width,
      (event.clientY - rect.top) * this.#canvas.height / rect.height];
  }

  #stroke(event) {
    const pen = this.#canvas.getContext("2d");
    pen.lineCap = "round";
    pen.strokeStyle = "white";
    pen.globalCompositeOperation = this.erasing ? "destination-out" : "source-over";
    pen.lineWidth = this.width * Math.max(this.#canvas.width, this.#canvas.height);
    pen.beginPath();
    pen.moveTo(...this.#last);
    this.#last = this.#at(event);
    pen.lineTo(...this.#last);
    pen.stroke();
  }
}
