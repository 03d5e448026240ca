"""What the visit builder takes in: clouds, images of a camera, poses of the sensor."""
