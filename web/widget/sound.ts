/** A short sound for a new message, in one tab only. */

let audio: AudioContext | undefined;

/** Play it, unless another tab has played it for the same message. Browsers keep it silent before the first gesture. */
export function playOnce(name: string, messageId: string): void {
  if (!navigator.locks) {
    return play();
  }
  navigator.locks
    .request(`${name}:sound:${messageId}`, { ifAvailable: true }, async (lock) => {
      if (lock) {
        play();
        // Other tabs may get the message a little later.
        await new Promise((resolve) => setTimeout(resolve, 20_000));
      }
    })
    // A page that may store nothing may not use locks.
    .catch(play);
}

function play() {
  try {
    audio ??= new AudioContext();
    const gain = audio.createGain();
    const tone = audio.createOscillator();
    tone.frequency.value = 660;
    gain.gain.setValueAtTime(0.08, audio.currentTime);
    gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.25);
    tone.connect(gain).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.25);
  } catch {
    // No audio here.
  }
}
