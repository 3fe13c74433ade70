package supervise

// MostSlow is how many calls may take long at once.
const MostSlow = mostSlow
